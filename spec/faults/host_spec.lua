-- Life in a host: states that close, forks, threads, other copies of libcurl: rows 72 to 77 and 80
-- of the fault matrix, and S33 of the threat model.

local certificates = require "certificates"
local environment = require "environment"
local faults = require "faults"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"

local request, hold, wait = raw_server.request, raw_server.hold, raw_server.wait
local encrypt = raw_server.tls(certificates.good)

-- What scripts of other Lua states begin with.
local STATE = [[
  local secrets = require "bytenite.secrets"
  local function client(url)
    return assert(secrets.new { base_url = url, access_token = "t", ca_file = %q, retries = 0,
      ignore_env = true })
  end
]]

-- Runs scripts one after the other, each in a Lua state that is closed after it; the process then
-- has as many descriptors, and as much memory for secrets, as before. (That memory stays out of
-- dumps.)
local function run_states(scripts, starve)
  for position, script in ipairs(scripts) do
    scripts[position] = STATE:format(certificates.ca) .. script
  end
  local problems = faults.child([[
    local lfs = require "lfs"
    local function descriptors()
      local count = 0
      for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
      return count
    end
    local function secret_bytes()
      local size, bytes = 0, 0
      for line in io.lines("/proc/self/smaps") do
        size = tonumber(line:match("^Size: +(%d+) kB")) or size
        if line:find("^VmFlags:.* dd") then bytes = bytes + size * 1024 end
      end
      return bytes
    end
    local problems = {}
    local before, secret_before = descriptors(), secret_bytes()
    for _, script in ipairs(given.scripts) do
      problems[#problems + 1] = sabotage.run(script, given.starve)
      local left = descriptors() - before
      if left ~= 0 then problems[#problems + 1] = left .. " descriptors are left" end
      left = secret_bytes() - secret_before
      if left ~= 0 then problems[#problems + 1] = left .. " bytes of secrets are left" end
    end
    return problems
  ]], { scripts = scripts, starve = starve or false })
  assert.are.same({}, problems)
end

describe("A Lua state", function()
  after_each(faults.clean_up)

  it("72: may be closed right after an error", function()
    local broken = faults.server { { encrypt, request } }
    local babbling = faults.server { { "nothing that TLS knows", hold } }
    local FAILS =
      'local list, err = client("https://127.0.0.1:%s"):list(); assert(err.kind == "%s", err)'
    run_states {
      FAILS:format(raw_server.free_port(), "network"),
      FAILS:format(broken.port, "network"),
      FAILS:format(babbling.port, "tls"),
    }
  end)

  it("72: may be closed with clients and their connections", function()
    local server = faults.server { faults.honest(encrypt) }
    run_states {
      ([[
        clients = {}
        for number = 1, 5 do
          clients[number] = client "%s"
          if number > 1 then assert(clients[number]:list()) end
        end
        clients[5]:close()
      ]]):format(faults.https(server.url)),
    }
    assert.are.equal(4, server:sends())
  end)

  it("72: may be closed in any order with an emulator and a client of it", function()
    local orders = {}
    for _, order in ipairs { "e, c", "c, e" } do
      orders[#orders + 1] = ([[
        local e = require("bytenite.secrets.emulator").start {}
        local c = assert(secrets.new { base_url = e.url, api_key = e.api_key, ignore_env = true })
        assert(c:list())
        kept = { %s }
      ]]):format(order)
    end
    run_states(orders)
  end)

  it("80: without memory releases its clients all the same", function()
    local server = faults.server { faults.honest(encrypt) }
    run_states({
      ('kept = client "%s"; assert(kept:list())'):format(faults.https(server.url)),
      ('client("%s"):list()'):format(faults.https(server.url)),
    }, true)
  end)

  -- Lua frees a userdata also when its finalizer could not be called.
  describe("80: without memory to call finalizers", function()
    local LOSE = [[
      local core = require "bytenite.secrets.core"
      local sabotage = require "sabotage"
      local function core_client()
        local c = assert(core.client {
          base_url = "%s", ca_file = %q, connect_timeout = 5, max_response_bytes = 1048576,
        })
        assert(c:authorize "t")
        return c
      end
      local function lose()
        sabotage.collect_starved()
        collectgarbage()
        collectgarbage()
        local other = {}
        for size = 1, 2000 do other[size] = ("other"):rep(size) end
      end
    ]]

    local function run_without(server, script)
      run_states { LOSE:format(faults.https(server.url), certificates.ca) .. script }
    end

    it("goes on with a call that is no longer there", function()
      local server = faults.server { { encrypt, request, wait(0.3), faults.HONEST, hold } }
      run_without(server, [[
        local c = core_client()
        assert(c:list(nil, 5, true))
        c:poll({}, 0.1)
        lose()
        c:poll({}, 0.5)
      ]])
      assert.are.equal(1, server:sends())
    end)

    it("goes on with a client of a call that is no longer there", function()
      local server = faults.server { { encrypt, request, hold } }
      run_without(server, [[
        local call
        do
          local c = core_client()
          call = assert(c:list(nil, 5, true))
          c:poll({}, 0.1)
        end
        lose()
        call:cancel()
        assert(call:done())
      ]])
    end)

    it("leaves no connection and no secret", function()
      local server = faults.server { faults.honest(encrypt) }
      run_without(server, [[
        do
          local c = core_client()
          assert(c:list(nil, 5))
          for _ = 1, 10 do core.secret_from_string "key" end
        end
        lose()
      ]])
    end)
  end)

  it("72: lets finalizers that it calls last find everything released", function()
    local found = faults.child([[
      local process = require "process"
      local reader, writer = process.pipe()
      local problem = sabotage.run(given.script:format(writer))
      process.close(writer)
      return problem or process.read(reader)
    ]], { script = [[
      local process = require "process"
      local core, client, call, secret
      local function look()
        local refused = not pcall(client.list, client, nil, 1)
          and not pcall(core.secret_from_string, "other")
        call:cancel()
        client:close()
        local released = call:done() and #secret == 0 and tostring(client):find("closed", 1, true)
        process.write(%d, refused and released and "released" or "something is left")
      end
      if newproxy then
        kept = newproxy(true)
        getmetatable(kept).__gc = look
      else
        kept = setmetatable({}, { __gc = look })
      end
      core = require "bytenite.secrets.core"
      client = assert(core.client { base_url = "http://127.0.0.1:9", connect_timeout = 5,
        max_response_bytes = 1048576 })
      client:authorize "t"
      call = client:list(nil, 5, true)
      secret = core.secret_from_string "key"
    ]] })
    assert.are.equal("released", found)
  end)

  it("76: of its own for each of 8 threads, which load the module at once, works", function()
    local server = faults.server { faults.honest(encrypt, 30) }
    local script = STATE:format(certificates.ca) .. ([[
      local c = client "%s"
      for _ = 1, 25 do assert(c:list()) end
      for _ = 1, 3 do assert(client("%s"):put({ id = "a", secretType = "s3" }, "key")) end
    ]]):format(faults.https(server.url), faults.https(server.url))
    local problem = faults.child("return sabotage.threads(8, given.script) or 'none'",
      { script = script })
    assert.are.equal("none", problem)
    assert.are.equal(8 * 28, server:sends())
  end)
end)

describe("A process", function()
  after_each(faults.clean_up)

  -- A change of what a module should leave alone is seen here, and told.
  local LOOK = [[
    require("process").setenv("LD_PRELOAD") -- for what `look` starts
    local function look()
      local file = io.open("/proc/self/status")
      local status = file:read("*a")
      file:close()
      local pipe = io.popen("env | sort")
      local found = { variables = pipe:read("*a"), locale = os.setlocale(nil) }
      pipe:close()
      for _, name in ipairs { "SigBlk", "SigIgn", "SigCgt", "Umask" } do
        found[name] = status:match(name .. ":%s*(%x+)")
      end
      return found
    end
  ]]

  local function looks(script, url)
    return faults.child(LOOK .. [[
      local before = look()
      ]] .. script .. [[

      return { before = before, after = look() }
    ]], { url = url, ca = certificates.ca })
  end

  it("S33: keeps its signals, variables and locale when the module is loaded and used", function()
    local server = faults.server { faults.honest(encrypt), { encrypt, request, raw_server.reset } }
    local found = looks([[
      local secrets = require "bytenite.secrets"
      local client = assert(secrets.new { base_url = given.url, ca_file = given.ca, api_key = "k",
        retries = 0, ignore_env = true })
      assert(client:list())
      assert(client:put({ id = "a", secretType = "s3" }, secrets.from_string "key"))
      local second = assert(secrets.new { base_url = given.url, ca_file = given.ca,
        access_token = "t", retries = 0, ignore_env = true })
      assert(not second:delete("s3", "a"))
      client:close()
    ]], faults.https(server.url))
    assert.are.same(found.before, found.after)
  end)

  -- Without this the test above would prove nothing.
  it("S33: is looked at closely enough", function()
    local found = looks([[
      sabotage.alarms(0)
      sabotage.default_sigpipe()
      require("process").setenv("SPEC_VARIABLE", "x")
    ]])
    assert.are_not.equal(found.before.SigCgt, found.after.SigCgt)
    assert.are_not.equal(found.before.variables, found.after.variables)
  end)
end)

describe("A client", function()
  after_each(faults.clean_up)

  local server, client

  before_each(function()
    server = faults.server { faults.honest() }
    client = faults.client(server.url, "list")
  end)

  it("73: that is closed says so", function()
    assert(client:list())
    client:close()
    client:close()
    for _, op in ipairs(faults.OPS) do
      assert.has_error(function()
        faults.call(op, client)
      end, op .. ": the client is closed")
    end
  end)

  it("73: works while garbage is collected in the middle of a call", function()
    local events = 0
    local busy = faults.client(server.url, "list", {
      on_event = function()
        events = events + 1
        collectgarbage()
      end,
    })
    local count = 0
    debug.sethook(function()
      count = count + 1
      collectgarbage("step")
    end, "", 10)
    local list, err = busy:list()
    local receipt = busy:put(faults.RECORD, secrets.from_string(faults.KEY))
    debug.sethook()
    assert.is_nil(err)
    assert.are.same({}, list)
    assert.is_true(receipt.ok)
    assert.is_true(count > 10 and events == 2)
  end)

  it("73: works within a coroutine, and after it is collected", function()
    local made = coroutine.wrap(function()
      local inner = faults.client(server.url, "list")
      assert(inner:list())
      coroutine.yield(inner)
    end)
    local inner = made()
    made = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.are.same({}, inner:list())
    assert.are.same({}, coroutine.wrap(function()
      return client:list()
    end)())
  end)

  it("73: that nobody holds is released", function()
    local before = faults.descriptors()
    for _ = 1, 10 do
      local one = assert(secrets.new {
        base_url = server.url, access_token = faults.TOKEN, ignore_env = true,
      })
      assert(one:list())
    end
    assert.are.equal(before, faults.descriptors())
  end)
end)

-- How a child may end: with finalizers, with exit handlers alone, or with what it has closed.
local ENDINGS = {
  ["at once"] = "",
  ["after it has closed the client"] = "client:close()",
  ["through exit and the state's end"] = "os.exit(works and 0 or 1, true)",
  ["through exit"] = "os.exit(works and 0 or 1)",
}

describe("A fork", function()
  after_each(function()
    faults.clean_up()
    environment.restore()
  end)

  -- A child leaves inherited handles alone, which a sanitizer sees as leaks at its end.
  before_each(function()
    environment.set { LSAN_OPTIONS = "detect_leaks=0" }
  end)

  -- The parent calls before and after a child's life; the child calls in between.
  local function fork(url, ending)
    return faults.child([[
      local process = require "process"
      local client = faults.client(given.url, "list", { ca_file = given.ca })
      assert(client:list())
      local pid = process.fork()
      if pid == 0 then
        local works = client:list() ~= nil and client:list() ~= nil
        ]] .. ending .. [[

        process.exit(works and 0 or 1)
      end
      local status = process.wait(pid)
      assert(client:list())
      assert(client:put(faults.RECORD, faults.KEY))
      return status
    ]], { url = url, ca = certificates.ca })
  end

  for _, encrypted in ipairs { false, true } do
    for name, ending in pairs(ENDINGS) do
      it(("%d: leaves a kept connection to the parent; the child ends %s (%s)")
        :format(ending == "" and 74 or 75, name, encrypted and "TLS" or "plain"), function()
          local server = faults.server { faults.honest(encrypted and encrypt) }
          local url = encrypted and faults.https(server.url) or server.url
          assert.are.equal(0, fork(url, ending))
          local connections = server:requests()
          assert.are.equal(2, #connections)
          assert.are.equal(3, #connections[1])
          assert.are.equal(2, #connections[2])
        end)
    end
  end

  it("74: leaves the token and a SecretString to both", function()
    local server = faults.server { faults.honest(encrypt) }
    local status = faults.child([[
      local process = require "process"
      local secrets = require "bytenite.secrets"
      local options = { ca_file = given.ca, api_key = secrets.from_string(faults.API_KEY) }
      local before = faults.client(given.url, "authenticate", options)
      local fresh = faults.client(given.url, "authenticate", options)
      local key = secrets.from_string(faults.KEY)
      assert(before:list())
      local pid = process.fork()
      local works = before:put(faults.RECORD, key) and fresh:put(faults.RECORD, key)
      if pid == 0 then process.exit(works and 0 or 1) end
      assert(works)
      return process.wait(pid)
    ]], { url = faults.https(server.url), ca = certificates.ca })
    assert.are.equal(0, status)
    local exchanges, puts = 0, 0
    for _, requests in ipairs(server:requests()) do
      for _, text in ipairs(requests) do
        if text:find(faults.API_KEY, 1, true) then exchanges = exchanges + 1 end
        if text:find('"secretKey":"' .. faults.KEY, 1, true) then
          puts = puts + 1
          assert.is_truthy(text:find("Authorization: mark3d-granted-e7\r\n", 1, true))
        end
      end
    end
    assert.are.equal(3, exchanges) -- one before the fork, and one for each process's fresh client
    assert.are.equal(4, puts)
  end)

  it("74: in the middle of nothing lets children call side by side", function()
    local server = faults.server { faults.honest(encrypt) }
    local statuses = faults.child([[
      local process = require "process"
      local client = faults.client(given.url, "list", { ca_file = given.ca })
      assert(client:list())
      local pids, statuses = {}, {}
      for number = 1, 4 do
        pids[number] = process.fork()
        if pids[number] == 0 then process.exit(client:list() and 0 or 1) end
      end
      assert(client:list())
      for number, pid in ipairs(pids) do statuses[number] = process.wait(pid) end
      assert(client:list())
      return statuses
    ]], { url = faults.https(server.url), ca = certificates.ca })
    assert.are.same({ 0, 0, 0, 0 }, statuses)
    assert.are.equal(5, #server:requests())
  end)
end)

describe("Another libcurl in the process", function()
  after_each(faults.clean_up)

  local GNUTLS = "libcurl-gnutls.so.4"

  for _, when in ipairs { "before", "after" } do
    it(("77: built with GnuTLS, loaded %s the module, changes nothing"):format(when), function()
      if not package.loadlib(GNUTLS, "curl_version") then
        return pending("there is no " .. GNUTLS .. " here")
      end
      if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
        return pending "this Lua cannot load a library for all (package.loadlib with \"*\")"
      end
      local server = faults.server { faults.honest(encrypt) }
      local works = faults.child([[
        if given.when == "before" then assert(package.loadlib(given.library, "*")) end
        local secrets = require "bytenite.secrets"
        if given.when == "after" then assert(package.loadlib(given.library, "*")) end
        assert(secrets.info().tls:find "OpenSSL")
        local client = faults.client(given.url, "list", { ca_file = given.ca })
        return client:list() ~= nil and client:put(faults.RECORD, faults.KEY).ok
      ]], {
        when = when, library = GNUTLS, url = faults.https(server.url), ca = certificates.ca,
      })
      assert.is_true(works)
    end)
  end
end)
