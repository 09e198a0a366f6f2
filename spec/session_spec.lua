local core = require "bytenite.secrets.core"
local service = require "service"
local socket = require "socket"

local KEY = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"
local RECORD = { id = "my-key", secretType = "s3" }
local EXCHANGE = "/v1/auth/access_token"

local start = service.start
local monotonic = core.monotonic

local emulator

local function open(options)
  return service.open(options, { retries = 0 })
end

-- What reached the service, in order: "exchange 200 GET 401".
local function traffic(of)
  local found = {}
  for position, request in ipairs((of or emulator):requests()) do
    local name = request.path == EXCHANGE and "exchange" or request.method
    found[position] = name .. " " .. request.status
  end
  return table.concat(found, ", ")
end

local function tokens(of)
  local found = {}
  for _, request in ipairs((of or emulator):requests()) do
    if request.path ~= EXCHANGE then found[#found + 1] = request.headers.authorization end
  end
  return found
end

-- Moves the clock of the clients.
local function pass(seconds)
  local before = core.monotonic
  core.monotonic = function()
    return before() + seconds
  end
end

-- A credential function that tells how often it was asked.
local function counting(...)
  local answers, asked = { ... }, { count = 0 }
  return function()
    asked.count = asked.count + 1
    return answers[math.min(asked.count, #answers)]
  end, asked
end

describe("a session", function()
  before_each(function()
    emulator = start { seed = { RECORD } }
  end)

  after_each(function()
    core.monotonic = monotonic
    service.release()
  end)

  describe("with an API key", function()
    it("sends nothing until the first call", function()
      open()
      assert.equal("", traffic())
    end)

    it("exchanges it once for many calls of all kinds", function()
      local client = open()
      assert(client:list())
      assert(client:put(RECORD, KEY))
      assert(client:get("s3", "my-key"))
      assert(client:delete("s3", "my-key"))
      assert.equal("exchange 200, GET 200, POST 200, GET 200, DELETE 200", traffic())
      for _, token in ipairs(tokens()) do
        assert.equal(tokens()[1], token)
      end
    end)

    it("sends the key with the exchange alone, and no Authorization there", function()
      assert(open():list())
      local requests = emulator:requests()
      assert.equal(('{"apiKey":"%s"}'):format(emulator.api_key), requests[1].body)
      assert.is_nil(requests[1].headers.authorization)
      for _, text in pairs(requests[2].headers) do
        assert.is_nil(text:find(emulator.api_key, 1, true))
      end
    end)

    it("puts the scheme before the token when told to", function()
      emulator = start { auth_scheme = "Bearer" }
      assert(open({ api_key = emulator.api_key, auth_scheme = "Bearer" }):list())
      assert.matches("^Bearer %x+$", tokens()[1])
    end)

    it("authenticates anew whenever it is told to, and uses the new token", function()
      local client = open()
      assert.same({ expiresIn = 3600, scope = "secrets" }, client:authenticate())
      assert(client:list())
      assert(client:authenticate())
      assert(client:list())
      assert.equal("exchange 200, GET 200, exchange 200, GET 200", traffic())
      local used = tokens()
      assert.are_not.equal(used[1], used[2])
    end)

    it("counts a life that is not told as 3600 seconds", function()
      emulator:fail { op = "authenticate", body = '{"token":"abc"}' }
      local answer = assert(open():authenticate())
      assert.equal(3600, answer.expiresIn)
      assert.is_nil(answer.scope)
    end)

    it("reads a life given as text or as a number", function()
      for _, life in ipairs { '"60"', "60" } do
        emulator:fail { op = "authenticate", body = '{"token":"abc","expiresIn":' .. life .. "}" }
        assert.equal(60, open():authenticate().expiresIn)
      end
    end)
  end)

  describe("renews its token", function()
    it("within the last minute of a long life", function()
      local client = open()
      assert(client:list())
      pass(3600 - 61)
      assert(client:list())
      assert.equal("exchange 200, GET 200, GET 200", traffic())
      pass(61 - 29)
      assert(client:list())
      assert.equal("exchange 200, GET 200, GET 200, exchange 200, GET 200", traffic())
    end)

    it("within the last tenth of a short life", function()
      emulator = start { token_lifetime = 100 }
      local client = open()
      assert(client:list())
      pass(89)
      assert(client:list())
      assert.equal("exchange 200, GET 200, GET 200", traffic())
      pass(96 - 89)
      assert(client:list())
      assert.equal("exchange 200, GET 200, GET 200, exchange 200, GET 200", traffic())
    end)

    it("not at the same moment as every other client", function()
      local asked = {}
      for number = 1, 40 do
        asked[number] = open()
        assert(asked[number]:authenticate())
      end
      pass(3600 - 45)
      for _, client in ipairs(asked) do
        assert(client:list())
      end
      local _, exchanges = traffic():gsub("exchange", "")
      assert.is_true(exchanges > 40 and exchanges < 80, tostring(exchanges))
    end)

    it("in earnest, before the service refuses it", function()
      emulator = start { token_lifetime = 1 }
      local client = open()
      assert(client:list())
      socket.sleep(0.96)
      assert(client:list())
      assert.equal("exchange 200, GET 200, exchange 200, GET 200", traffic())
    end)

    it("after a 401 when it ended early, and makes the call again", function()
      emulator = start { token_lifetime = 0.2 } -- the service says 1
      local client = open()
      assert(client:list())
      socket.sleep(0.25)
      assert(client:put(RECORD, KEY))
      socket.sleep(0.25)
      assert(client:delete("s3", "my-key"))
      assert.equal("exchange 200, GET 200, POST 401, exchange 200, POST 200, "
        .. "DELETE 401, exchange 200, DELETE 200", traffic())
    end)

    it("after a 200 whose body says 401 or gRPC's 16", function()
      for _, code in ipairs { 401, 16 } do
        emulator = start()
        local client = open()
        emulator:fail { op = "put", body = ('{"ok":false,"error":{"code":%d}}'):format(code) }
        assert(client:put(RECORD, KEY))
        assert.equal("exchange 200, POST 200, exchange 200, POST 200", traffic())
      end
    end)

    it("once in a call, although the service refuses the new one as well", function()
      local client = open()
      emulator:fail { op = "list", status = 401, times = math.huge }
      local _, err = client:list()
      assert.equal("unauthorized", err.kind)
      assert.equal(401, err.status)
      assert.equal(2, err.attempts)
      assert.equal(2, err.sends)
      assert.is_false(err.retryable)
      assert.equal("exchange 200, GET 401, exchange 200, GET 401", traffic())
    end)

    it("without using up the retries of the call", function()
      local client = open { api_key = emulator.api_key, retries = 1 }
      emulator:fail { op = "list", status = 500 }
      emulator:fail { op = "list", status = 401 }
      assert(client:list())
      assert.equal("exchange 200, GET 500, GET 401, exchange 200, GET 200", traffic())
    end)

    it("not after a 403", function()
      local client = open()
      emulator:fail { op = "list", status = 403 }
      assert.equal("forbidden", select(2, client:list()).kind)
      assert.equal("exchange 200, GET 403", traffic())
    end)
  end)

  describe("whose key is refused", function()
    local function refused(options)
      return open(options or { api_key = "not-the-key" })
    end

    it("fails the call, and says that it was the exchange", function()
      local _, err = refused():put(RECORD, KEY)
      assert.equal("unauthorized", err.kind)
      assert.equal("put s3/my-key", err.op)
      assert.equal(401, err.status)
      assert.matches("^put s3/my%-key: getting an access token: not authenticated", err.message)
      assert.matches("BYTENITE_API_KEY", err.hint)
      assert.equal("exchange 401", traffic())
    end)

    it("does not ask again for 5 s", function()
      local client = refused()
      local _, first = client:list()
      pass(4.9)
      local _, second = client:put(RECORD, KEY)
      assert.equal("exchange 401", traffic())
      assert.equal("unauthorized", second.kind)
      assert.equal("put s3/my-key", second.op)
      assert.matches("^put s3/my%-key: ", second.message)
      assert.equal(401, second.status)
      assert.equal(0, second.attempts)
      assert.equal(0, second.sends)
      assert.equal("list", first.op)
      assert.equal(1, first.attempts)
      pass(0.2)
      assert.is_nil(client:list())
      assert.equal("exchange 401, exchange 401", traffic())
    end)

    it("rests as well after 403, but not after other failures", function()
      local client = open()
      emulator:fail { op = "authenticate", status = 403 }
      assert.equal("forbidden", select(2, client:list()).kind)
      assert.equal("forbidden", select(2, client:list()).kind)
      assert.equal("exchange 403", traffic())
      for _, status in ipairs { 400, 429, 500, 503 } do
        client = open()
        emulator:fail { op = "authenticate", status = status }
        assert.equal(status, select(2, client:list()).status)
        assert(client:list())
      end
    end)

    it("always asks when it is told to authenticate", function()
      local client = refused()
      assert.is_nil(client:list())
      assert.is_nil(client:authenticate())
      assert.is_nil(client:authenticate())
      assert.equal("exchange 401, exchange 401, exchange 401", traffic())
    end)

    it("goes on at once when authenticate finds a new key", function()
      local client = refused { api_key = counting("old", emulator.api_key) }
      assert.is_nil(client:list())
      assert(client:authenticate())
      assert(client:list())
      emulator:fail { op = "list", status = 401 }
      assert(client:list())
      assert.equal("exchange 401, exchange 200, GET 200, GET 401, exchange 200, GET 200",
        traffic())
    end)

    it("keeps an error that the caller has changed apart from the next one", function()
      local client = refused()
      local _, err = client:list()
      err.kind, err.message = "network", "changed"
      assert.equal("unauthorized", select(2, client:list()).kind)
    end)
  end)

  describe("with an access token", function()
    local token

    before_each(function()
      assert(open():list())
      token = tokens()[1]
    end)

    it("sends it as it is, without an exchange", function()
      local client = open { access_token = token }
      assert(client:list())
      assert(client:list())
      assert.equal("exchange 200, GET 200, GET 200, GET 200", traffic())
      assert.equal(token, tokens()[3])
    end)

    it("has nothing to exchange", function()
      local value, err = open({ access_token = token }):authenticate()
      assert.is_nil(value)
      assert.equal("config", err.kind)
      assert.matches("api_key", err.hint)
      assert.equal("exchange 200, GET 200", traffic())
    end)

    it("fails with the first 401", function()
      local _, err = open({ access_token = "stale" }):list()
      assert.equal("unauthorized", err.kind)
      assert.equal(1, err.attempts)
      assert.equal("exchange 200, GET 200, GET 401", traffic())
    end)

    it("asks a function for it at each call", function()
      local give, asked = counting(token)
      local client = open { access_token = give }
      assert.equal(0, asked.count)
      assert(client:list())
      assert(client:put(RECORD, KEY))
      assert.equal(2, asked.count)
      assert(client:rotate("s3", "my-key", KEY))
      assert.equal(3, asked.count)
    end)

    it("asks the function once more after a 401, and not a third time", function()
      local give, asked = counting("stale", token)
      assert(open({ access_token = give }):list())
      assert.equal(2, asked.count)
      give, asked = counting "stale"
      local _, err = open({ access_token = give }):list()
      assert.equal("unauthorized", err.kind)
      assert.equal(2, err.attempts)
      assert.equal(2, asked.count)
    end)

    it("does not ask the function again for retries", function()
      local give, asked = counting(token)
      emulator:fail { op = "list", status = 500, times = 2 }
      assert(open({ access_token = give, retries = 2 }):list())
      assert.equal(1, asked.count)
    end)
  end)

  describe("shared by nobody", function()
    it("gives two clients of one key their own tokens", function()
      local one, two = open(), open()
      assert(one:list())
      assert(two:list())
      assert.equal("exchange 200, GET 200, exchange 200, GET 200", traffic())
      local used = tokens()
      assert.are_not.equal(used[1], used[2])
    end)

    it("never sends a token to another service", function()
      local one = open()
      local elsewhere = start()
      local two = open { api_key = elsewhere.api_key, base_url = elsewhere.url }
      for _ = 1, 2 do
        assert(one:list())
        assert(two:list())
      end
      local here, there = tokens(), tokens(elsewhere)
      assert.equal(2, #here)
      assert.equal(2, #there)
      assert.are_not.equal(here[1], there[1])
      assert.equal("exchange 200, GET 200, GET 200", traffic(elsewhere))
    end)
  end)
end)
