-- What a fresh client, which has no access token yet, does with calls that are not to succeed; and
-- what it does when a token cannot be renewed in time.

local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local secrets = require "bytenite.secrets"

local RECORD = { id = "my-key", secretType = "s3" }

local emulator, client
local monotonic = core.monotonic

describe("a fresh client", function()
  before_each(function()
    emulator = assert(emulators.start())
    client = assert(secrets.new {
      base_url = emulator.url, api_key = emulator.api_key, ignore_env = true, retries = 0,
    })
  end)

  after_each(function()
    core.monotonic = monotonic
    client:close()
    emulator:stop()
  end)

  it("sends nothing at all for what cannot be sent, not even for a token", function()
    local calls = {
      function() return client:list { secretType = ".." } end,
      function() return client:get("s3", "") end,
      function() return client:delete("s3", "..") end,
      function() return client:delete("a\0b", "my-key") end,
      function() return client:put({ id = "\255", secretType = "s3" }, "key") end,
      function()
        return client:put({ id = "a", secretType = "s3", params = { n = 0 / 0 } }, "key")
      end,
      function() return client:put({ id = "a", secretType = "s3", params = { 1 } }, "key") end,
      function() return client:put(RECORD, "") end,
      function() return client:put(RECORD, "\255") end,
      function() return client:put(RECORD, ("k"):rep(65537)) end,
      function() return client:rotate("s3", ".", "key") end,
      function() return client:rotate("s3", "my-key", "") end,
    }
    for number, call in ipairs(calls) do
      local value, err = call()
      assert.is_nil(value)
      assert.equal("invalid", err.kind, "call " .. number)
      assert.equal(0, err.attempts)
    end
    assert.same({}, emulator:requests())
  end)

  it("does not take a service that is not there for a secret that is not there", function()
    emulator:fail { op = "authenticate", status = 404 }
    local receipt, err = client:delete("s3", "my-key", { missing_ok = true })
    assert.is_nil(receipt)
    assert.equal("not_found", err.kind)
  end)

  it("counts what libcurl sent again by itself, also when that succeeds", function()
    assert(client:put(RECORD, "key"))
    emulator:fail { op = "list", drop = "before" }
    local _, err = client:get("s3", "another")
    assert.equal("not_found", err.kind)
    assert.equal(1, err.attempts)
    assert.equal(2, err.sends)
    emulator:fail { op = "put", status = 400 }
    _, err = client:rotate("s3", "my-key", "new")
    assert.equal("rejected", err.kind)
    assert.equal(2, err.attempts) -- the listing and the write
    assert.equal(2, err.sends)
  end)

  it("gets a new token when a listing says under 200 that the old one is none", function()
    assert(client:list())
    emulator:fail { op = "list", body = '{"code":16,"message":"token expired"}' }
    assert.same({}, client:list())
    assert.equal(5, #emulator:requests())
  end)

  it("says which option allows a longer answer", function()
    local small = assert(secrets.new {
      base_url = emulator.url, api_key = emulator.api_key, ignore_env = true,
      max_response_bytes = 100,
    })
    assert(client:put({ id = ("x"):rep(200), secretType = "s3" }, "key"))
    local _, err = small:list()
    assert.equal("protocol", err.kind)
    assert.matches("max_response_bytes", err.hint)
    small:close()
  end)

  it("keeps the API key out of what the service says in answer to other requests", function()
    emulator:fail {
      op = "list", status = 400,
      body = ('{"ok":false,"requestId":"%s","error":{"description":"key %s is odd"}}')
        :format(emulator.api_key, emulator.api_key),
    }
    local _, err = client:list()
    assert.equal("rejected", err.kind)
    assert.matches("^key %*+ is odd$", err.description)
    assert.is_nil(tostring(err):find(emulator.api_key, 1, true))
    assert.matches("^%*+$", err.requestId)
  end)

  it("goes on with a token that still lives when it cannot be renewed", function()
    assert(client:list())
    core.monotonic = function() return monotonic() + 3600 * 0.995 end
    emulator:fail { op = "authenticate", status = 503, times = math.huge }
    assert(client:put(RECORD, "key"))
    assert(client:list())
    local exchanges = 0
    for _, request in ipairs(emulator:requests()) do
      if request.path:find("access_token", 1, true) then exchanges = exchanges + 1 end
    end
    assert.equal(2, exchanges) -- the second call does not try again so soon
    core.monotonic = function() return monotonic() + 3601 end
    local _, err = client:list()
    assert.equal("unavailable", err.kind)
  end)
end)
