local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local RECORD = {
  id = "my-key",
  secretType = "s3",
  expiresAt = "2025-12-29T18:02:27.140Z",
  accessKey = "AKIAIOSFODNN7EXAMPLE",
  params = { region = "eu-central-1" },
  name = "My S3 Secret",
}

local emulator, client

local function start(options)
  if client then client:close() end
  if emulator then emulator:stop() end
  emulator = assert(emulators.start(options))
  client = assert(secrets.new {
    base_url = emulator.url,
    api_key = emulator.api_key,
    auth_scheme = options and options.auth_scheme,
  })
end

local function copy(value)
  return core.decode(core.encode(value))
end

local function last_request()
  local requests = emulator:requests()
  return requests[#requests]
end

-- How many requests came apart from token exchanges.
local function count()
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    if request.path ~= "/v1/auth/access_token" then found = found + 1 end
  end
  return found
end

local function stored(position)
  return emulator:secrets()[position or 1]
end

-- The only value of a call that has one.
local function only(...)
  assert.equal(1, select("#", ...), select(2, ...))
  return (...)
end

local function refused(kind, pattern, value, err, ...)
  assert.equal(0, select("#", ...))
  assert.is_nil(value)
  assert.equal(kind, err.kind)
  assert.matches(pattern, err.message)
  return err
end

describe("bytenite.secrets", function()
  before_each(function()
    environment.clear()
    start()
  end)

  after_each(function()
    client:close()
    emulator:stop()
    client, emulator = nil, nil
    environment.restore()
  end)

  describe("put", function()
    it("stores a secret and gives a receipt", function()
      local receipt = only(client:put(RECORD, "the key"))
      assert.same({ ok = true, requestId = receipt.requestId, message = "secret stored" }, receipt)
      assert.matches("^emulator%-%d+$", receipt.requestId)
      assert.equal("the key", stored().secretKey)
      assert.equal("AKIAIOSFODNN7EXAMPLE", stored().accessKey)
    end)

    it("sends one POST with the record and the key", function()
      client:put(RECORD, "the key")
      local request = last_request()
      assert.equal("POST", request.method)
      assert.equal("/v1/auth/secrets", request.path)
      assert.is_nil(request.query)
      assert.equal("application/json", request.headers["content-type"])
      assert.same({ secret = RECORD, secretKey = "the key" }, core.decode(request.body))
      assert.equal(1, count())
    end)

    it("sends no field that was not given: neither null nor an empty one", function()
      client:put({ id = "k", secretType = "s3" }, "x")
      assert.equal('{"secret":{"id":"k","secretType":"s3"},"secretKey":"x"}', last_request().body)
      client:put({ id = "k", secretType = "s3", name = "", params = {} }, "x")
      assert.equal('{"secret":{"id":"k","secretType":"s3","params":{},"name":""},"secretKey":"x"}',
        last_request().body)
    end)

    it("replaces a secret of the same type and id", function()
      client:put(RECORD, "one")
      client:put({ id = "my-key", secretType = "s3", name = "new" }, "two")
      client:put({ id = "my-key", secretType = "gcp" }, "three")
      assert.equal(2, #emulator:secrets())
      assert.equal("two", stored().secretKey)
      assert.equal("new", stored().name)
      assert.is_nil(stored().accessKey)
    end)

    it("does not change the record", function()
      local secret = copy(RECORD)
      client:put(secret, "x")
      assert.same(RECORD, secret)
    end)

    it("sends numbers and texts exactly", function()
      local params = { ["é\"\n"] = "\\/\1\127\226\128\168", yes = true, no = false, half = 0.5 }
      params.big, params.pi, params.tiny, params.minus = 2 ^ 53, math.pi, 5e-324, -7
      client:put({ id = "k", secretType = "s3", params = params }, "x")
      local sent = core.decode(last_request().body).secret.params
      assert.same(params, sent)
      assert.matches('"big":9007199254740992[,}]', last_request().body)
      assert.matches('"pi":3.141592653589793[,}0-9]', last_request().body)
      assert.matches('"minus":%-7[,}]', last_request().body)
    end)

    it("asks a function for the key once, and before anything is sent", function()
      local asked = 0
      emulator:fail { op = "put", status = 503, headers = { ["Retry-After"] = "0" } }
      assert(client:put(RECORD, function()
        asked = asked + 1
        assert.equal(0, count())
        return "from a function"
      end))
      assert.equal(1, asked)
      assert.equal(2, count())
      assert.equal("from a function", stored().secretKey)
    end)

    it("gives a config error when that function gives no key", function()
      refused("config", "the secretKey function gave none: vault is sealed",
        client:put(RECORD, function() return nil, "vault is sealed" end))
      refused("config", "gave none: it returned nil", client:put(RECORD, function() end))
      refused("config", "gave none: it returned a table",
        client:put(RECORD, function() return {} end))
      assert.equal(0, count())
    end)

    it("gives an invalid error for what cannot be sent, and sends nothing", function()
      local function invalid(pattern, changes, key)
        local secret = copy(RECORD)
        for name, value in pairs(changes) do
          secret[name] = value
        end
        local err = refused("invalid", pattern, client:put(secret, key or "x"))
        assert.equal(0, err.sends)
        assert.is_false(err.ambiguous)
      end
      invalid("id is empty", { id = "" })
      invalid("id is %. or %.%.", { id = ".." })
      invalid("secretType holds a control character", { secretType = "s\0003" })
      invalid("name is not UTF%-8", { name = "\255" })
      invalid("params%.deep%[1%]%.f is of a type", { params = { deep = { { f = print } } } })
      invalid("params is an array", { params = { 1, 2 } })
      invalid("extra is of a type that JSON does not have", { extra = print })
      invalid("secretKey is empty", {}, "")
      invalid("secretKey is not UTF%-8", {}, "\237\160\128")
      invalid("secretKey is longer than 64 KiB", {}, ("x"):rep(65537))
      assert.equal(0, count())
    end)

    it("takes a key of up to 64 KiB", function()
      local key = ("\0"):rep(65536)
      assert(client:put(RECORD, key))
      assert.equal(key, stored().secretKey)
    end)
  end)

  describe("list", function()
    it("gives an array of the records, without their keys", function()
      client:put(RECORD, "x")
      client:put({ id = "other", secretType = "gcp" }, "y")
      assert.same({ RECORD, { id = "other", secretType = "gcp" } }, only(client:list()))
      assert.equal("GET", last_request().method)
      assert.equal("/v1/auth/secrets", last_request().path)
      assert.is_nil(last_request().query)
      assert.equal("", last_request().body)
    end)

    it("gives an empty array when there are none", function()
      assert.same({}, only(client:list()))
      for _, body in ipairs { "{}", '{"secrets":null}', '{"secrets":[]}' } do
        emulator:fail { op = "list", body = body }
        local list = only(client:list())
        assert.same({}, list)
        assert.is_nil(getmetatable(list))
      end
    end)

    it("asks for one type with a filter", function()
      client:put(RECORD, "x")
      client:put({ id = "other", secretType = "g c&p" }, "y")
      local list = only(client:list { secretType = "g c&p" })
      assert.same({ { id = "other", secretType = "g c&p" } }, list)
      assert.equal("secretType=g%20c%26p", last_request().query)
      assert.same({}, client:list { secretType = "storj" })
      assert.equal(2, #client:list {})
    end)

    it("refuses a filter that no type can have", function()
      refused("invalid", "secretType is empty", client:list { secretType = "" })
      refused("invalid", "secretType holds a control", client:list { secretType = "a\n" })
      assert.equal(0, count())
    end)

    it("leaves out fields that are null, and keys that should not be there", function()
      emulator:fail { op = "list", body = [[{"secrets":[{"id":"k","secretType":"s3","name":null,
        "params":{"inner":null},"secretKey":"oops","later":1}],"more":true}]] }
      local list = only(client:list())
      assert.equal(1, list[1].later)
      assert.equal("k", list[1].id)
      assert.is_nil(list[1].name)
      assert.is_nil(list[1].secretKey)
      assert.equal(secrets.null, list[1].params.inner)
    end)
  end)

  describe("get", function()
    it("gives one record", function()
      client:put({ id = "my-key", secretType = "gcp" }, "y")
      client:put(RECORD, "x")
      assert.same(RECORD, only(client:get("s3", "my-key")))
      assert.equal("secretType=s3", last_request().query)
    end)

    it("gives nil and not_found when there is none", function()
      client:put(RECORD, "x")
      local err = refused("not_found", "there is no such secret", client:get("s3", "my-keys"))
      assert.equal("get s3/my-keys", err.op)
      assert.equal(1, err.attempts)
      refused("not_found", "there is no such secret", client:get("gcp", "my-key"))
    end)

    it("does not take a record of another type for it, whatever the server lists", function()
      emulator:fail { op = "list", body = '{"secrets":[{"id":"k","secretType":"gcp"}]}' }
      refused("not_found", "there is no such secret", client:get("s3", "k"))
    end)
  end)

  describe("rotate", function()
    it("replaces the key, keeps the record, and gives a receipt", function()
      local secret = copy(RECORD)
      secret.later = { "unknown" }
      client:put(secret, "old")
      local receipt = only(client:rotate("s3", "my-key", "new"))
      assert.same({ ok = true, requestId = receipt.requestId, message = "secret stored" }, receipt)
      assert.equal("new", stored().secretKey)
      assert.same({ secret }, client:list())
    end)

    it("gives not_found for what is not there, and writes nothing", function()
      local err = refused("not_found", "there is no such secret",
        client:rotate("s3", "my-key", "new"))
      assert.equal("rotate s3/my-key", err.op)
      assert.same({}, emulator:secrets())
    end)

    it("writes nothing when the key cannot be sent or had", function()
      client:put(RECORD, "old")
      refused("invalid", "secretKey is empty", client:rotate("s3", "my-key", ""))
      refused("config", "gave none", client:rotate("s3", "my-key", function() end))
      refused("invalid", "id is empty", client:rotate("s3", "", "new"))
      assert.equal("old", stored().secretKey)
    end)

    it("sends back what should have been an object as it is", function()
      for _, params in ipairs { "5", "true", '"text"' } do
        emulator:fail { op = "list",
          body = '{"secrets":[{"id":"my-key","secretType":"s3","params":' .. params .. "}]}" }
        refused("rejected", "params", client:rotate("s3", "my-key", "new"))
        assert.matches('"params":' .. params, last_request().body, 1, true)
      end
    end)

    it("keeps numbers that only an integer holds, or refuses with the way round it", function()
      client:put(RECORD, "old")
      local body = '{"secrets":[{"id":"my-key","secretType":"s3","params":{"n":%s}}]}'
      emulator:fail { op = "list", body = body:format("9007199254740993") }
      local receipt, err = client:rotate("s3", "my-key", "new")
      if math.type then
        assert(receipt, err)
        assert.matches('"n":9007199254740993}', last_request().body)
      else
        refused("invalid", "holds an integer", receipt, err)
      end
      emulator:fail { op = "list", body = body:format("99999999999999999999") }
      err = refused("invalid", "holds an integer that this Lua would round",
        client:rotate("s3", "my-key", "new"))
      assert.matches("make a new record", err.hint)
      emulator:fail { op = "list", body = body:format("99999999999999999999") }
      local listed = client:list()[1]
      refused("invalid", "holds an integer that this Lua would round", client:put(listed, "new"))
      assert.equal("GET", last_request().method)
    end)
  end)

  describe("delete", function()
    it("removes a secret and gives a receipt", function()
      client:put(RECORD, "x")
      local receipt = only(client:delete("s3", "my-key"))
      assert.same({ ok = true, requestId = receipt.requestId, message = "secret removed" }, receipt)
      assert.equal("DELETE", last_request().method)
      assert.equal("/v1/auth/secrets/s3/my-key", last_request().path)
      assert.equal("", last_request().body)
      assert.same({}, client:list())
    end)

    it("gives not_found for what is not there", function()
      local err = refused("not_found", "there is no such secret", client:delete("s3", "my-key"))
      assert.equal(404, err.status)
      assert.equal("delete s3/my-key", err.op)
      assert.is_false(err.retryable)
    end)

    it("takes that for a success with missing_ok", function()
      local receipt = only(client:delete("s3", "my-key", { missing_ok = true }))
      assert.same({ ok = true, absent = true, requestId = receipt.requestId }, receipt)
      client:put(RECORD, "x")
      assert.is_nil(client:delete("s3", "my-key", { missing_ok = true }).absent)
    end)

    it("reaches ids with any characters, each within its segment", function()
      for _, id in ipairs { "a/b", "a b", "50%", "%2e%2e", "a?b#c", "schlüssel", "...", "a+b" } do
        assert(client:put({ id = id, secretType = "s3/x" }, "x"))
        assert.equal(id, stored().id)
        assert(client:delete("s3/x", id))
        assert.matches("^/v1/auth/secrets/s3%%2Fx/[%w%%._~-]+$", last_request().path)
        assert.same({}, emulator:secrets())
      end
    end)

    it("refuses an address that cannot be sent", function()
      refused("invalid", "id is %. or %.%.", client:delete("s3", "."))
      refused("invalid", "secretType is empty", client:delete("", "k"))
      assert.equal(0, count())
    end)
  end)

  describe("authenticate", function()
    it("exchanges the API key for a token and tells how long it lasts", function()
      start { token_lifetime = 1800 }
      local answer = only(client:authenticate())
      assert.same({ expiresIn = 1800, scope = answer.scope }, answer)
      if math.type then assert.equal("integer", math.type(answer.expiresIn)) end
      assert.equal("/v1/auth/access_token", last_request().path)
      assert(client:list())
      assert.equal(2, #emulator:requests())
    end)

    it("is a config error with an access token alone", function()
      client:close()
      client = assert(secrets.new { base_url = emulator.url, access_token = "t" })
      local err = refused("config", "there is no API key to exchange", client:authenticate())
      assert.matches("BYTENITE_API_KEY", err.hint)
      assert.same({}, emulator:requests())
    end)
  end)
end)
