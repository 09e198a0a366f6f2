local emulators = require "bytenite.secrets.emulator"
local secrets = require "bytenite.secrets"

local KEY = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"
local RECORD = { id = "my-key", secretType = "s3" }

local emulator, clients

local function open(options)
  options.base_url, options.ignore_env, options.retries = emulator.url, true, 0
  local client, err = secrets.new(options)
  clients[#clients + 1] = client
  return client, err
end

local function give(value)
  return function()
    return value
  end
end

describe("a credential", function()
  before_each(function()
    clients = {}
    emulator = assert(emulators.start())
  end)

  after_each(function()
    for _, client in ipairs(clients) do
      client:close()
    end
    emulator:stop()
    emulator, clients = nil, nil
  end)

  local function access_token()
    assert(open({ api_key = emulator.api_key }):list())
    local requests = emulator:requests()
    return requests[#requests].headers.authorization
  end

  it("may be a string, a SecretString or a function that returns either", function()
    local key = emulator.api_key
    local sealed = assert(secrets.from_string(key))
    for _, credential in ipairs { key, sealed, give(key), give(sealed) } do
      assert(open({ api_key = credential }):list())
    end
    local token = access_token()
    sealed = assert(secrets.from_string(token))
    for _, credential in ipairs { token, sealed, give(token), give(sealed) } do
      assert(open({ access_token = credential }):list())
    end
  end)

  it("loses one newline at its end when it comes from a function or a file", function()
    local key, token = emulator.api_key, access_token()
    for _, ending in ipairs { "\n", "\r\n" } do
      local sealed = assert(secrets.from_string(key .. ending))
      assert(open({ api_key = sealed }):list())
      assert(open({ api_key = give(sealed) }):list())
      assert(open({ api_key = give(key .. ending) }):list())
      assert(open({ access_token = give(token .. ending) }):list())
      assert(open({ access_token = secrets.from_string(token .. ending) }):list())
    end
    for _, request in ipairs(emulator:requests()) do
      assert.equal(200, request.status)
      assert.is_nil(request.body:find("\\", 1, true))
    end
  end)

  it("is invalid with more than that, and nothing is sent", function()
    for _, text in ipairs { "key\n\n", "\nkey", "k\0ey", "key\r", "", "\n" } do
      for _, name in ipairs { "api_key", "access_token" } do
        local _, err = open({ [name] = give(text) }):list()
        assert.equal("invalid", err.kind, ("%s %q"):format(name, text))
        assert.matches("^list: ", err.message)
        assert.matches(name, err.message)
        assert.equal(0, err.attempts + err.sends)
      end
    end
    assert.same({}, emulator:requests())
  end)

  it("is refused by new when it is a string with a newline", function()
    for _, name in ipairs { "api_key", "access_token" } do
      local client, err = open { [name] = "key\n" }
      assert.is_nil(client)
      assert.equal("invalid", err.kind)
      assert.matches(name, err.message)
    end
  end)

  it("that a function cannot give is config, with the function's words", function()
    for _, name in ipairs { "api_key", "access_token" } do
      local client = open { [name] = function()
        return nil, "the vault is\nsealed"
      end }
      for _, op in ipairs { "list", name == "api_key" and "authenticate" or "list" } do
        local _, err = client[op](client)
        assert.equal("config", err.kind)
        assert.equal(op, err.op)
        assert.equal(op .. ": option " .. name .. " gave none: the vault is sealed", err.message)
        assert.is_false(err.retryable)
      end
    end
    assert.same({}, emulator:requests())
  end)

  it("that a function gives as anything else is config, and names the type alone", function()
    for _, value in ipairs { 42, true, false, { KEY }, print } do
      local _, err = open({ api_key = give(value) }):list()
      assert.equal("config", err.kind)
      assert.matches("it returned a " .. type(value), err.message)
      assert.is_nil(err.message:find(KEY, 1, true))
    end
    assert.matches("it returned nil", select(2, open({ api_key = give(nil) }):list()).message)
    assert.same({}, emulator:requests())
  end)

  it("that a function raises about goes on to the caller, and the client stays usable", function()
    local broken = true
    local client = open { api_key = function()
      if broken then error("no vault", 0) end
      return emulator.api_key
    end }
    assert.has_error(function()
      client:list()
    end, "no vault")
    broken = false
    assert(client:list())
  end)

  it("is asked for at each exchange when it is an API key, and not between", function()
    local asked = 0
    local client = open { api_key = function()
      asked = asked + 1
      return emulator.api_key
    end }
    assert.equal(0, asked)
    assert(client:list())
    assert(client:list())
    assert.equal(1, asked)
    emulator:fail { op = "list", status = 401 }
    assert(client:list())
    assert.equal(2, asked)
    assert(client:authenticate())
    assert.equal(3, asked)
  end)

  it("is asked for once in all the attempts of an exchange", function()
    local asked = 0
    local client = open { api_key = function()
      asked = asked + 1
      return emulator.api_key
    end }
    emulator:fail { op = "authenticate", status = 500 }
    assert(client:authenticate { retries = 1 })
    assert.equal(1, asked)
  end)

  it("that is a secretKey is asked for once in a put, whatever it takes", function()
    local client = open { api_key = emulator.api_key }
    local asked = 0
    emulator:fail { op = "put", status = 500 }
    emulator:fail { op = "put", status = 401 }
    assert(client:put(RECORD, function()
      asked = asked + 1
      return KEY
    end, { retries = 1 }))
    assert.equal(1, asked)
    assert.equal(KEY, emulator:secrets()[1].secretKey)
  end)

  it("that is a secretKey keeps its newline", function()
    local client = open { api_key = emulator.api_key }
    for _, key in ipairs { KEY .. "\n", give(KEY .. "\n"),
      assert(secrets.from_string(KEY .. "\n")) } do
      assert(client:put(RECORD, key))
      assert.equal(KEY .. "\n", emulator:secrets()[1].secretKey)
      assert(client:delete("s3", "my-key"))
    end
  end)

  it("that is a secretKey and cannot be given is config, and nothing is sent", function()
    local client = open { api_key = emulator.api_key }
    local _, err = client:put(RECORD, function()
      return nil, "sealed"
    end)
    assert.equal("config", err.kind)
    assert.matches("sealed", err.message)
    _, err = client:put(RECORD, give(12))
    assert.equal("config", err.kind)
    assert.same({}, emulator:requests())
  end)
end)
