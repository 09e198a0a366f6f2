local child = require "child"
local core = require "bytenite.secrets.core"
local environment = require "environment"
local faults = require "faults"
local secrets = require "bytenite.secrets"

-- What info says in a process of its own, after a script has run in it.
local function scrubbing_after(script)
  local status, output = child.run(script .. [[

    local info = require("bytenite.secrets").info()
    io.write(tostring(info.scrub), " ", #info.warnings, " ", info.warnings[1] or "")
  ]])
  assert.equal(0, status, output)
  return output
end

describe("info", function()
  before_each(function()
    environment.set { SSLKEYLOGFILE = false, BYTENITE_SECRETS_SCRUB = false }
  end)

  after_each(function()
    environment.restore()
    faults.clean_up()
  end)

  it("tells what this build consists of", function()
    local info = secrets.info()
    assert.equal(secrets._VERSION, info.version)
    assert.matches("^Lua", info.lua)
    assert.matches("^%d+%.%d+", info.libcurl)
    assert.equal("string", type(info.tls))
    assert.equal(require("cjson")._VERSION, info.cjson)
    assert.has_error(function() secrets.info(1) end, "info: too many arguments")
  end)

  it("tells that libcurl's memory is wiped", function()
    assert.equal("true 0 ", scrubbing_after "")
  end)

  it("tells that it is wiped while libcurl is at work", function()
    local server = faults.server { faults.honest() }
    assert(faults.client(server.url, "list"):list())
    assert.is_true(secrets.info().scrub)
  end)

  it("warns when wiping was switched off, which is read once", function()
    environment.set { BYTENITE_SECRETS_SCRUB = "0" }
    local warned = "^false 1 libcurl frees .* without wiping it: BYTENITE_SECRETS_SCRUB is 0$"
    assert.matches(warned, scrubbing_after "")
    assert.matches(warned, scrubbing_after [[
      require "bytenite.secrets"
      require("process").setenv("BYTENITE_SECRETS_SCRUB")
    ]])
    environment.set { BYTENITE_SECRETS_SCRUB = "1" }
    assert.equal("true 0 ", scrubbing_after "")
  end)

  it("warns when another part of the process was first to initialise libcurl", function()
    assert.matches("^false 1 libcurl frees .* another part of this process was the first",
      scrubbing_after 'assert(package.loadlib("libcurl.so.4", "curl_global_init"))()')
    assert.equal("true 0 ", scrubbing_after [[
      require "bytenite.secrets"
      assert(package.loadlib("libcurl.so.4", "curl_global_init"))()
    ]])
  end)

  it("tells whether memory can be locked, and warns when it cannot", function()
    assert.is_true(secrets.info().memory_lock)
    if (os.getenv("LD_PRELOAD") or ""):find "asan" then
      return pending "AddressSanitizer never lets mlock fail"
    end
    local info = faults.child [[
      local secrets = require "bytenite.secrets"
      sabotage.fail("mlock", sabotage.errno.ENOMEM, 1, 1000)
      assert(#secrets.from_string "works all the same" == 18)
      return secrets.info()
    ]]
    assert.is_false(info.memory_lock)
    assert.equal(1, #info.warnings)
    assert.matches("^memory cannot be locked", info.warnings[1])
  end)

  it("warns when memory cannot be kept out of core dumps", function()
    local info = faults.child [[
      local secrets = require "bytenite.secrets"
      sabotage.fail("madvise", sabotage.errno.ENOMEM, 1, 1000)
      assert(#secrets.from_string "works all the same" == 18)
      return secrets.info()
    ]]
    assert.equal(1, #info.warnings)
    assert.matches("^memory cannot be kept out of core dumps", info.warnings[1])
  end)

  it("warns of a libcurl that a hung DNS server can block", function()
    local real = core.info
    finally(function() core.info = real end)
    core.info = function()
      local facts = real()
      facts.async_dns = false
      return facts
    end
    assert.matches("^this libcurl was built without AsynchDNS", secrets.info().warnings[1])
  end)

  it("warns of a variable that gives the keys of TLS connections away", function()
    environment.set { SSLKEYLOGFILE = "" }
    assert.same({}, secrets.info().warnings)
    environment.set { SSLKEYLOGFILE = "/tmp/keys" }
    local warnings = secrets.info().warnings
    assert.equal(1, #warnings)
    assert.matches("^SSLKEYLOGFILE is set", warnings[1])
  end)
end)
