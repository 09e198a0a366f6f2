local child = require "child"
local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local process = require "process"

local TOKEN = "token-that-nobody-may-see"
local EAGER = _VERSION == "Lua 5.4" and 400 or 100000000 -- the most that setstepmul takes
local RECORD = { id = "a", secretType = "s3", params = { b = { "c", "d" } } }

local emulator, clients

local function options_of(changes)
  local options = { base_url = emulator.url, connect_timeout = 5, max_response_bytes = 100000 }
  for name, value in pairs(changes or {}) do
    options[name] = value
  end
  return options
end

local function new_client()
  local client = assert(core.client(options_of()))
  clients[#clients + 1] = client
  return client
end

--- A client whose token is good.
local function authorized_client()
  local client = new_client()
  assert(client:authenticate(emulator.api_key, 5))
  return client
end

local OPERATIONS = {
  authenticate = function(client)
    return client:authenticate(emulator.api_key, 5)
  end,
  list = function(client)
    return client:list("s3", 5)
  end,
  put = function(client)
    return client:put(RECORD, "the whole key", 5)
  end,
  delete = function(client)
    return client:delete("s3", "a", 5)
  end,
}

local function leave_garbage(finalizer)
  if rawget(_G, "newproxy") then
    getmetatable(newproxy(true)).__gc = finalizer
  else
    setmetatable({}, { __gc = finalizer })
  end
end

local function calm_down(pause, multiplier, ...)
  collectgarbage("setpause", pause)
  collectgarbage("setstepmul", multiplier)
  pcall(collectgarbage, "incremental", 0, 0, 13)
  return ...
end

--- pcall(work) with a whole collection at each place where Lua may collect at all; `finalizer` is
--- run by the one after `skipped` others.
local function with_finalizer(finalizer, skipped, work)
  local function arm()
    leave_garbage(function()
      if skipped == 0 then return finalizer() end
      skipped = skipped - 1
      arm()
    end)
  end
  collectgarbage()
  collectgarbage()
  collectgarbage("stop")
  arm()
  local pause = collectgarbage("setpause", 0)
  local multiplier = collectgarbage("setstepmul", EAGER)
  pcall(collectgarbage, "incremental", 0, 0, 40) -- before Lua 5.4 it is not known
  collectgarbage("restart")
  return calm_down(pause, multiplier, pcall(work))
end

local function open_descriptors()
  local listing = assert(io.popen("ls /proc/" .. process.pid() .. "/fd | wc -l"))
  local count = tonumber(listing:read("*l"))
  listing:close()
  return count
end

describe("bytenite.secrets.core", function()
  before_each(function()
    emulator = assert(emulators.start())
    clients = {}
  end)

  after_each(function()
    for _, client in ipairs(clients) do
      client:close()
    end
    emulator:stop()
    emulator, clients = nil, nil
  end)

  describe("when it is loaded", function()
    it("sets no globals", function()
      local status, text = child.run([[
        local before = {}
        for name in pairs(_G) do before[name] = true end
        require "bytenite.secrets.core"
        for name in pairs(_G) do
          if not before[name] then io.write(name, " ") end
        end
      ]])
      assert.equal(0, status)
      assert.equal("", text)
    end)

    it("loaded once more knows what the first one marked", function()
      local status, text = child.run([[
        local first = require "bytenite.secrets.core"
        package.loaded["bytenite.secrets.core"] = nil
        local second = require "bytenite.secrets.core"
        io.write(second.encode(first.decode("[]")), " ", tostring(first.inexact == second.inexact))
      ]])
      assert.equal(0, status)
      assert.equal("[] true", text)
    end)

    it("tells its version and those of what it stands on", function()
      local info = core.info()
      assert.matches("^%d+%.%d+%.%d+$", core.version)
      assert.matches("^%d+%.%d+%.%d+", info.libcurl)
      assert.matches("^%a+/", info.tls)
      assert.equal(require("cjson")._VERSION, info.cjson)
      assert.equal(require("cjson").null, core.null)
    end)
  end)

  describe("client", function()
    it("raises for options of a wrong type or out of range, and names them", function()
      local cases = {
        { "base_url", false, "option base_url: string expected" },
        { "user_agent", 5, "option user_agent: string expected" },
        { "auth_scheme", true, "option auth_scheme: string expected" },
        { "ca_file", {}, "option ca_file: string expected" },
        { "connect_timeout", "5", "option connect_timeout: number expected" },
        { "connect_timeout", 0, "option connect_timeout: out of range" },
        { "connect_timeout", 0 / 0, "option connect_timeout: out of range" },
        { "connect_timeout", math.huge, "option connect_timeout: out of range" },
        { "max_response_bytes", -1, "option max_response_bytes: out of range" },
        { "max_response_bytes", 2 ^ 30 + 1, "option max_response_bytes: out of range" },
      }
      for _, case in ipairs(cases) do
        local ok, message = pcall(core.client, options_of { [case[1]] = case[2] })
        assert.is_false(ok)
        assert.matches(case[3], message, 1, true)
      end
      assert.is_false(pcall(core.client, { connect_timeout = 5, max_response_bytes = 1 }))
      assert.is_false(pcall(core.client))
    end)

    it("returns nil, the problem and the option for a value that cannot be used", function()
      local cases = {
        { "auth_scheme", "Bearer\r\nX-Injected: 1", "is no word such as Bearer" },
        { "auth_scheme", ("x"):rep(33), "is no word such as Bearer" },
        { "auth_scheme", "", "is no word such as Bearer" },
        { "user_agent", "a\nb", "holds a character that cannot stand in a header" },
        { "base_url", emulator.url .. "\0.example", "holds a NUL" },
        { "ca_file", "/etc/hostname\0", "holds a NUL" },
        { "base_url", "ftp://127.0.0.1", "has a scheme other than https" },
        { "ca_file", "/does/not/exist", "cannot be opened" },
      }
      for _, case in ipairs(cases) do
        local client, problem, option = core.client(options_of { [case[1]] = case[2] })
        assert.is_nil(client)
        assert.equal(case[3], problem)
        assert.equal(case[1], option)
      end
    end)

    it("takes no credentials from the base URL, however they are written", function()
      for _, url in ipairs { "http://u:p@127.0.0.1:1", "http:///u:p@127.0.0.1:1" } do
        local client, problem, option = core.client(options_of { base_url = url })
        assert.is_nil(client)
        assert.is_string(problem)
        assert.is_nil(problem:find("u:p", 1, true))
        assert.equal("base_url", option)
      end
    end)

    it("raises for arguments of a wrong type, and names them", function()
      local client = new_client()
      client:authorize(TOKEN)
      local mixed = { id = "a", secretType = "s3", "b" }
      local cases = {
        { "#1 to 'list'", function() return (client:list(5, 1)) end },
        { "#2 to 'list'", function() return (client:list(nil)) end },
        { "#2 to 'list'", function() return (client:list(nil, 0)) end },
        { "#2 to 'list'", function() return (client:list(nil, 0 / 0)) end },
        { "#2 to 'list'", function() return (client:list(nil, math.huge)) end },
        { "#1 to 'put'", function() return (client:put("a", "k", 1)) end },
        { "#2 to 'put'", function() return (client:put(RECORD, 5, 1)) end },
        { "#3 to 'put'", function() return (client:put(RECORD, "k")) end },
        { "secret.id", function() return (client:put({ secretType = "s3" }, "k", 1)) end },
        { "secret.secretType", function() return (client:put({ id = "a" }, "k", 1)) end },
        { "secret: field names", function() return (client:put(mixed, "k", 1)) end },
        { "#1 to 'delete'", function() return (client:delete(nil, "a", 1)) end },
        { "#2 to 'delete'", function() return (client:delete("s3", 5, 1)) end },
        { "#3 to 'delete'", function() return (client:delete("s3", "a", "soon")) end },
        { "#1 to 'authenticate'", function() return (client:authenticate({}, 1)) end },
        { "#2 to 'authenticate'", function() return (client:authenticate("k")) end },
        { "#1 to 'authorize'", function() return (client:authorize(5)) end },
        { "Client expected", function() return (client.list({}, nil, 1)) end },
        { "Client expected", function() client.close(core.secret_from_string("k")) end },
      }
      for _, case in ipairs(cases) do
        local ok, message = pcall(case[2])
        assert.is_false(ok)
        assert.matches(case[1], message, 1, true)
      end
      assert.same({}, emulator:requests())
    end)

    it("raises when no access token is set", function()
      local client = new_client()
      for _, name in ipairs { "list", "put", "delete" } do
        local ok, message = pcall(OPERATIONS[name], client)
        assert.is_false(ok)
        assert.matches("no access token is set", message, 1, true)
      end
    end)

    it("shows neither its token nor its metatable", function()
      local client = new_client()
      assert.is_true(client:authorize(TOKEN))
      assert.equal("bytenite.core.Client (open)", tostring(client))
      assert.is_false(getmetatable(client))
      assert.is_false(getmetatable(core.secret_from_string("k")))
      assert.is_nil(client.transport)
      assert.is_nil(client.__gc)
    end)

    it("is of no use once it is closed, and can be closed again", function()
      local client = authorized_client()
      client:close()
      client:close()
      assert.equal("bytenite.core.Client (closed)", tostring(client))
      for _, operation in pairs(OPERATIONS) do
        local ok, message = pcall(operation, client)
        assert.is_false(ok)
        assert.matches("the client is closed", message, 1, true)
      end
      assert.is_false(pcall(client.authorize, client, TOKEN))
      assert.equal(1, #emulator:requests())
    end)

    it("gives everything back when it is collected", function()
      authorized_client():close()
      collectgarbage()
      local before = open_descriptors()
      for _ = 1, 10 do
        local client = assert(core.client(options_of()))
        assert(client:authenticate(emulator.api_key, 5))
        assert(client:list(nil, 5))
      end
      collectgarbage()
      collectgarbage()
      -- The emulator's thread closes its ends of the connections in its own time.
      local ends = core.monotonic() + 10
      local now = open_descriptors()
      while now > before and core.monotonic() < ends do
        core.sleep(0.01)
        now = open_descriptors()
      end
      assert.is_true(now <= before)
    end)

    it("survives that a finalizer closes it anywhere in a call", function()
      for _, operation in pairs(OPERATIONS) do
        local refused, calling = 0, nil
        for skipped = 0, 20 do
          local client = authorized_client()
          local ok, message = with_finalizer(function()
            if calling then client:close() end
          end, skipped, function()
            calling = true
            local value = operation(client)
            calling = false
            return value
          end)
          calling = false
          if not ok then
            refused = refused + 1
            assert.matches("the client is closed", message, 1, true)
          end
        end
        assert.is_true(refused > 0 and refused < 21)
      end
    end)

    local DISTURBANCES = {
      collects = function(client, call) pcall(client.collect, client, call) end,
      cancels = function(_, call) call:cancel() end,
    }

    for verb, disturb in pairs(DISTURBANCES) do
      it("gives an answer to one when a finalizer " .. verb .. " a call anywhere in its collection",
        function()
          local calls = {
            list = { nil, 5, true },
            put = { RECORD, "key", 5, true },
            authenticate = { emulator.api_key, 5, false, true },
          }
          local client = authorized_client()
          for name, arguments in pairs(calls) do
            local disturbed = 0
            for skipped = 0, 20 do
              local call = client[name](client, (table.unpack or unpack)(arguments, 1, 4))
              client:poll({ call }, 5)
              local collecting
              local ok, value = with_finalizer(function()
                if not collecting then return end
                disturbed = disturbed + 1
                disturb(client, call)
              end, skipped, function()
                collecting = true
                local answer = client:collect(call)
                collecting = false
                return answer
              end)
              collecting = false
              assert.is_true(not ok or value == nil or type(value) == "table")
            end
            assert.is_true(disturbed > 0)
          end
        end)
    end

    it("exposes all of a SecretString or nothing when a finalizer wipes it meanwhile", function()
      local text = ("k"):rep(9000)
      for skipped = 0, 5 do
        local key = core.secret_from_string(text)
        local ok, exposed = with_finalizer(function()
          key:wipe()
        end, skipped, function()
          return key:expose()
        end)
        assert.is_true(not ok or exposed == text)
      end
    end)

    it("never sends a part of a key that a finalizer wipes during put", function()
      local wiped, sent = 0, 0
      local client = authorized_client()
      for skipped = 0, 20 do
        local key = core.secret_from_string("the whole key")
        local _, receipt, facts = with_finalizer(function()
          key:wipe()
        end, skipped, function()
          return client:put(RECORD, key, 5)
        end)
        if receipt then
          sent = sent + 1
          assert.equal("the whole key", emulator:secrets()[1].secretKey)
        else
          wiped = wiped + 1
          assert.same({ reason = "invalid", field = "secretKey", detail = "was wiped", sends = 0 },
            facts)
        end
      end
      assert.is_true(wiped > 0 and sent > 0)
      assert.equal(1 + sent, #emulator:requests())
    end)

    it("may be called by a finalizer during its own call", function()
      local client = authorized_client()
      for skipped = 0, 3 do
        local inner
        local ok, outer = with_finalizer(function()
          inner = client:list("gcp", 5)
        end, skipped, function()
          return client:list("s3", 5)
        end)
        assert.is_true(ok)
        assert.same({}, outer)
        assert.same({}, inner)
      end
    end)

    it("ends with its state, in whichever order finalizers run", function()
      local script = [[
        local core = require "bytenite.secrets.core"
        local function client()
          local c = assert(core.client { base_url = %q, connect_timeout = 5,
            max_response_bytes = 1000 })
          assert(c:authenticate(%q, 5))
          assert(c:list(nil, 5))
          return c
        end
        key = core.secret_from_string "k"
        first, second = client(), client()
        thread = coroutine.create(function() local mine = client() coroutine.yield(mine) end)
        assert(coroutine.resume(thread))
        first.list(second, nil, 5)
        %s
      ]]
      for _, ending in ipairs { "", "os.exit(0, true)", "first, second = nil", "second:close()" } do
        assert.equal(0, (child.run(script:format(emulator.url, emulator.api_key, ending))))
      end
    end)
  end)

  describe("system functions", function()
    it("tell a clock that only goes forward, and random numbers from 0 up to 1", function()
      local before = core.monotonic()
      assert.is_true(core.sleep(0.02))
      assert.is_true(core.monotonic() >= before + 0.019)
      local number = core.random()
      assert.is_true(number >= 0 and number < 1)
      assert.are_not.equal(number, core.random())
    end)

    it("check their arguments", function()
      for _, seconds in ipairs { -1, 0 / 0, math.huge, "soon" } do
        assert.is_false(pcall(core.sleep, seconds))
      end
      assert.is_false(pcall(core.secret_from_fd, -1))
      assert.is_false(pcall(core.secret_from_fd, 2 ^ 32)) -- would be 0 as an int
    end)

    it("do not cut paths and names off at a NUL", function()
      local name = os.tmpname()
      os.execute("echo k > " .. name)
      assert.is_truthy(core.secret_from_file(name, true))
      local secret, problem = core.secret_from_file(name .. "\0.pem", true)
      os.remove(name)
      assert.is_nil(secret)
      assert.equal("does not exist", problem)
      secret, problem = core.secret_from_env("PATH\0S")
      assert.is_nil(secret)
      assert.equal("is not set", problem)
    end)
  end)
end)
