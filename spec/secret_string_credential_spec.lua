local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local function refused(kind, pattern, secret, err)
  assert.is_nil(secret)
  assert.equal(kind, err.kind)
  assert.matches(pattern, err.message)
end

describe("a SecretString as a credential", function()
  local emulator, client

  local function connect(options)
    options.base_url = emulator.url
    options.retries = 0
    local err
    client, err = secrets.new(options)
    return client, err
  end

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { api_key = "api-key-of-the-spec" })
  end)

  after_each(function()
    if client then client:close() end
    client = nil
    emulator:stop()
    environment.restore()
  end)

  local function stored_key()
    return emulator:secrets()[1].secretKey
  end

  local function token()
    local requests = emulator:requests()
    return requests[#requests].headers.authorization
  end

  it("is accepted as api_key, directly and from a function", function()
    local key = secrets.from_string(emulator.api_key)
    assert.same({}, connect({ api_key = key }):list())
    client:close()
    assert.same({}, connect({ api_key = function() return key end }):list())
    assert.equal(emulator.api_key, key:expose())
  end)

  it("is accepted as access_token, directly and from a function", function()
    connect({ api_key = emulator.api_key }):list()
    local text = token()
    local given = secrets.from_string(text)
    client:close()
    assert.same({}, connect({ access_token = given }):list())
    assert.equal(text, token())
    client:close()
    assert.same({}, connect({ access_token = function() return given end }):list())
    assert.equal(text, token())
  end)

  it("is accepted as secretKey, directly and from a function", function()
    connect { api_key = emulator.api_key }
    local secret = { id = "k", secretType = "s3" }
    assert(client:put(secret, secrets.from_string "one"))
    assert.equal("one", stored_key())
    assert(client:put(secret, function() return secrets.from_string "two" end))
    assert.equal("two", stored_key())
    assert(client:rotate("s3", "k", secrets.from_string "three"))
    assert.equal("three", stored_key())
  end)

  it("arrives byte for byte as secretKey, a newline at its end included", function()
    connect { api_key = emulator.api_key }
    local escapes = '"\\/\b\f\n\r\t\1\127'
    for _, text in ipairs { "a\0b", "line\n", escapes, "schlüssel \240\159\148\145" } do
      assert(client:put({ id = "k", secretType = "s3" }, secrets.from_string(text)))
      assert.equal(text, stored_key())
    end
  end)

  it("loses one newline at its end as api_key and access_token", function()
    assert.same({}, connect({ api_key = secrets.from_string(emulator.api_key .. "\n") }):list())
    local text = token()
    client:close()
    for _, ending in ipairs { "\n", "\r\n" } do
      assert.same({}, connect({ access_token = secrets.from_string(text .. ending) }):list())
      client:close()
    end
    local none, err = connect { access_token = secrets.from_string(text .. "\n\n") }
    refused("invalid", "option access_token holds a character that cannot", none, err)
  end)

  it("is refused when it was wiped", function()
    local key = secrets.from_string(emulator.api_key)
    connect { api_key = key }
    local wiped = secrets.from_string "x"
    wiped:wipe()
    refused("invalid", "secretKey was wiped", client:put({ id = "k", secretType = "s3" }, wiped))
    client:close()
    key:wipe()
    refused("invalid", "option api_key was wiped", connect { api_key = key })
    assert.same({}, emulator:secrets())
  end)

  it("is refused as secretKey when it is empty or not UTF-8", function()
    connect { api_key = emulator.api_key }
    local secret = { id = "k", secretType = "s3" }
    refused("invalid", "secretKey is empty", client:put(secret, secrets.from_string ""))
    refused("invalid", "secretKey is not UTF%-8", client:put(secret, secrets.from_string "\255"))
    assert.same({}, emulator:secrets())
  end)
end)
