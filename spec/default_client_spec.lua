-- The functions of the module itself: what requiring it does, and the client that they share.

local child = require "child"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local RECORD = { id = "my-key", secretType = "s3" }

describe("requiring bytenite.secrets", function()
  it("makes no global variables", function()
    local status, output = child.run [[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      require "bytenite.secrets"
      for name in pairs(_G) do
        if not before[name] then print(name) end
      end
      print "done"
    ]]
    assert.equal("done\n", output)
    assert.equal(0, status)
  end)

  it("reads no variables and files, and leaves nothing open", function()
    local status, output = child.run [[
      local process = require "process"
      -- New descriptors get the lowest numbers that are free.
      local function free_descriptors()
        local to_read, to_write = process.pipe()
        process.close(to_read)
        process.close(to_write)
        return to_read .. " " .. to_write
      end
      require "cjson"
      local before = free_descriptors()
      local function forbidden(name)
        return function() error(name .. " was called", 2) end
      end
      for _, name in ipairs { "open", "popen", "lines", "read", "write" } do
        io[name] = forbidden(name)
      end
      for _, name in ipairs { "getenv", "execute", "tmpname", "setlocale" } do
        os[name] = forbidden(name)
      end
      require "bytenite.secrets"
      print(before == free_descriptors())
    ]]
    assert.equal("true\n", output)
    assert.equal(0, status)
  end)

  it("gives the version and null", function()
    assert.matches("^%d+%.%d+%.%d+$", secrets._VERSION)
    assert.equal(require("cjson").null, secrets.null)
    assert.equal("table", type(secrets.array_mt))
  end)
end)

describe("the default client", function()
  local emulator

  before_each(function()
    environment.clear()
    secrets.close()
    emulator = assert(emulators.start())
    environment.set {
      BYTENITE_BASE_URL = emulator.url,
      BYTENITE_API_KEY = emulator.api_key,
      BYTENITE_RETRIES = "0",
    }
  end)

  after_each(function()
    secrets.close()
    emulator:stop()
    environment.restore()
  end)

  local function exchanges()
    local found = 0
    for _, request in ipairs(emulator:requests()) do
      if request.path == "/v1/auth/access_token" then found = found + 1 end
    end
    return found
  end

  it("does the whole job without secrets.new", function()
    assert.is_true(secrets.put(RECORD, "one").ok)
    assert.same({ RECORD }, secrets.list())
    assert.same({}, secrets.list { secretType = "gcp" })
    assert.same(RECORD, secrets.get("s3", "my-key"))
    assert.is_true(secrets.rotate("s3", "my-key", "two").ok)
    assert.equal("two", emulator:secrets()[1].secretKey)
    assert.is_true(secrets.delete("s3", "my-key").ok)
    assert.is_true(secrets.delete("s3", "my-key", { missing_ok = true }).absent)
    assert.equal(3600, secrets.authenticate().expiresIn)
  end)

  it("is made at the first call and kept", function()
    assert.same({}, emulator:requests())
    assert(secrets.list())
    assert(secrets.list())
    assert.equal(1, exchanges())
    environment.set { BYTENITE_API_KEY = "another", BYTENITE_BASE_URL = "nonsense" }
    assert(secrets.list())
    assert.equal(1, exchanges())
  end)

  it("returns a failure to make it and does not remember it", function()
    environment.set { BYTENITE_API_KEY = false }
    for _, name in ipairs { "list", "authenticate" } do
      local value, err = secrets[name]()
      assert.is_nil(value)
      assert.equal("config", err.kind)
      assert.equal("new", err.op)
      assert.matches("no credential is set", err.message)
    end
    environment.set { BYTENITE_API_KEY = emulator.api_key }
    assert.same({}, secrets.list())
  end)

  it("is forgotten by secrets.close, and the next call makes a new one", function()
    assert(secrets.list())
    secrets.close()
    secrets.close()
    assert(secrets.list())
    assert.equal(2, exchanges())
    secrets.close()
    environment.set { BYTENITE_API_KEY = "wrong" }
    local _, err = secrets.list()
    assert.equal("unauthorized", err.kind)
  end)

  it("returns what the methods return", function()
    assert.equal(1, select("#", secrets.list()))
    local value, err, more = secrets.get("s3", "none")
    assert.is_nil(value)
    assert.equal("not_found", err.kind)
    assert.is_nil(more)
  end)

  it("raises for misuse as the methods do, at the caller's own line", function()
    local function raises(text, called)
      local ok, message = pcall(called)
      assert.is_false(ok)
      assert.matches(text, message)
      if _VERSION ~= "Lua 5.1" then assert.matches("^spec/default_client_spec.lua:", message) end
    end
    raises("list: too many arguments", function() local a = secrets.list({}, {}, 1) return a end)
    raises("put: secretKey: .* expected, got nil",
      function() local a = secrets.put(RECORD) return a end)
    raises("get: secretType: string expected, got table",
      function() local a = secrets.get(RECORD) return a end)
    raises("rotate: too many arguments",
      function() local a = secrets.rotate("s3", "k", "x", {}, 1) return a end)
    raises("authenticate: too many arguments",
      function() local a = secrets.authenticate({}, 1) return a end)
    raises('delete: unknown option "missing"',
      function() local a = secrets.delete("s3", "k", { missing = true }) return a end)
    raises("close: too many arguments", function() local a = secrets.close(1) return a end)
    assert.same({}, emulator:requests())
  end)

  it("find misuse whether there is a credential or not", function()
    environment.clear()
    local function raises(text, ...)
      local ok, message = pcall(...)
      assert.is_false(ok)
      assert.matches(text, message)
    end
    raises("put: secret: table expected", secrets.put, "x")
    raises("unknown option \"foo\"", secrets.list, nil, { foo = 1 })
    raises("delete: id: string expected", secrets.delete, "s3")
    for _, call in ipairs {
      function() return secrets.put(RECORD, "key") end,
      function() return secrets.authenticate() end,
      function() return secrets.get("s3", "my-key") end,
    } do
      local value, err = call()
      assert.is_nil(value)
      assert.equal("config", err.kind)
    end
    environment.restore()
  end)
end)
