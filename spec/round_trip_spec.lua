local core = require "bytenite.secrets.core"
local secrets = require "bytenite.secrets"
local service = require "service"

local RECORD = {
  id = "my-key",
  secretType = "s3",
  expiresAt = "2025-12-29T18:02:27.140Z",
  accessKey = "AKIAIOSFODNN7EXAMPLE",
  params = { region = "eu-central-1" },
  name = "My S3 Secret",
}

describe("a record", function()
  local emulator, client

  before_each(function()
    emulator = service.start()
    client = service.open()
  end)

  after_each(service.release)

  -- The body of the latest put.
  local function put_body()
    local body
    for _, request in ipairs(emulator:requests()) do
      if request.path == "/v1/auth/secrets" and request.method == "POST" then
        body = request.body
      end
    end
    return body
  end

  -- Puts back what list gave, and returns what list gives then.
  local function put_back(change)
    local secret = client:list()[1]
    if change then change(secret) end
    assert(client:put(secret, "again"))
    return client:list()[1]
  end

  it("goes out and comes back the same: unknown fields, nested params, numbers", function()
    local secret = core.decode(core.encode(RECORD))
    secret.labels = { "a", "b" }
    secret.owner = { team = "x", since = 2024 }
    secret.params = { list = { 1, { deep = { true, "x" } } }, half = 0.5, none = false }
    client:put(secret, "x")
    assert.same(secret, client:list()[1])
    assert.same(secret, put_back())
  end)

  it("keeps empty arrays, long integers and fractions exact when it is put back", function()
    -- 2^53 - 1 is what a Lua without integers holds exactly.
    local big = math.type and "12345678901234567" or "9007199254740991"
    local params = '{"a":[],"big":' .. big .. ',"pi":3.141592653589793,"o":{},"n":[[],{}]}'
    service.fail("list",
      { body = '{"secrets":[{"id":"k","secretType":"s3","params":' .. params .. "}]}" })
    local secret = client:list()[1]
    assert.equal(secrets.array_mt, getmetatable(secret.params.a))
    assert(client:put(secret, "x"))
    local body = put_body()
    for _, part in ipairs {
      '"a":[]', '"big":' .. big, '"pi":3.141592653589793', '"o":{}', '"n":[[],{}]',
    } do
      assert.truthy(body:find(part, 1, true), part)
    end
  end)

  it("that was listed can be changed and put back", function()
    client:put(RECORD, "x")
    local changed = put_back(function(secret)
      secret.name = "renamed"
      secret.params.region = nil
      secret.params.list = setmetatable({}, secrets.array_mt)
      secret.expiresAt = nil
    end)
    assert.equal("renamed", changed.name)
    assert.is_nil(changed.expiresAt)
    assert.equal(RECORD.accessKey, changed.accessKey)
    assert.is_nil(put_body():find("expiresAt", 1, true))
    assert.equal("again", emulator:secrets()[1].secretKey)
    assert.matches('"params":{"list":%[%]}', put_body())
  end)

  it("keeps null inside params", function()
    client:put({ id = "k", secretType = "s3", params = { gone = secrets.null } }, "x")
    assert.matches('"params":{"gone":null}', put_body())
    assert.equal(secrets.null, put_back().params.gone)
    assert.equal(secrets.null, require("cjson").null)
  end)
end)
