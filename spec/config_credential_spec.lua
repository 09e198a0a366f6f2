local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local emulator, clients, places

local function connect(options)
  options = options or {}
  options.base_url = emulator.url
  options.retries = 0
  local client, err = secrets.new(options)
  clients[#clients + 1] = client
  return client, err
end

local function file_with(text, mode)
  local path = os.tmpname()
  places[#places + 1] = path
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  assert(os.execute(("chmod %s %s"):format(mode or "0600", path)))
  return path
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function refused(kind, pattern, client, err)
  assert.is_nil(client)
  assert.equal(kind, err.kind)
  assert.equal("new", err.op)
  assert.matches(pattern, err.message)
  assert.equal(0, err.sends)
end

local function last_request()
  local requests = emulator:requests()
  return requests[#requests]
end

describe("the credential", function()
  before_each(function()
    clients, places = {}, {}
    environment.clear()
    emulator = assert(emulators.start { api_key = "api-key-of-the-spec" })
  end)

  after_each(function()
    for _, client in pairs(clients) do
      client:close()
    end
    for _, path in ipairs(places) do
      os.remove(path)
    end
    emulator:stop()
    environment.restore()
  end)

  it("is looked for everywhere, and the error tells where", function()
    local client, err = connect()
    refused("config", "no credential is set; looked at option api_key, option access_token, "
      .. "BYTENITE_API_KEY, BYTENITE_API_KEY_FILE, BYTENITE_ACCESS_TOKEN", client, err)
    assert.equal("set BYTENITE_API_KEY, or pass api_key to secrets.new", err.hint)
  end)

  it("is looked for in the options alone with ignore_env", function()
    environment.set { BYTENITE_API_KEY = emulator.api_key }
    local client, err = connect { ignore_env = true }
    refused("config", "looked at option api_key, option access_token$", client, err)
  end)

  it("is an API key or an access token, and not both at one level", function()
    refused("config", "both option api_key and option access_token are given",
      connect { api_key = "a", access_token = "b" })
    environment.set { BYTENITE_API_KEY = "a", BYTENITE_ACCESS_TOKEN = "b" }
    refused("config", "both BYTENITE_API_KEY and BYTENITE_ACCESS_TOKEN are given", connect())
    environment.set { BYTENITE_API_KEY = false, BYTENITE_API_KEY_FILE = "/x" }
    refused("config", "both BYTENITE_API_KEY_FILE and BYTENITE_ACCESS_TOKEN are given", connect())
    environment.set { BYTENITE_API_KEY = "a", BYTENITE_ACCESS_TOKEN = false }
    refused("config", "both BYTENITE_API_KEY and BYTENITE_API_KEY_FILE are given", connect())
  end)

  it("comes from an option before the environment, whatever is there", function()
    environment.set { BYTENITE_API_KEY = "wrong", BYTENITE_ACCESS_TOKEN = "wrong" }
    local client = connect { api_key = emulator.api_key }
    assert.same({}, client:list())
    assert.equal("option", client:describe().api_key.source)
    assert.same({ source = "default" }, client:describe().access_token)
  end)

  it("as an API key is exchanged for a token", function()
    assert.same({}, connect({ api_key = emulator.api_key }):list())
    assert.equal('{"apiKey":"api-key-of-the-spec"}', emulator:requests()[1].body)
    assert.is_nil(emulator:requests()[1].headers.authorization)
    assert.equal("GET", last_request().method)
  end)

  it("as an access token is sent as it is", function()
    local _, err = connect({ access_token = "my token" }):list()
    assert.equal("unauthorized", err.kind)
    assert.equal("my token", last_request().headers.authorization)
    connect({ access_token = "my token", auth_scheme = "Bearer" }):list()
    assert.equal("Bearer my token", last_request().headers.authorization)
  end)

  it("is refused when it cannot be sent", function()
    for _, name in ipairs { "api_key", "access_token" } do
      refused("invalid", "option " .. name .. " is empty", connect { [name] = "" })
      for _, text in ipairs { "a\nb", "a\r\nX-Injected: 1", "a\0", "a\127", "ü", "token\n" } do
        refused("invalid", "option " .. name .. " holds a character that cannot stand in a header",
          connect { [name] = text })
      end
      refused("invalid", "option " .. name .. " is longer than 8 KiB",
        connect { [name] = ("x"):rep(8193) })
      refused("invalid", "option " .. name .. " is longer than 8 KiB",
        connect { [name] = ("x"):rep(65537) })
      assert.truthy(connect { [name] = ("x"):rep(8192) })
    end
    assert.same({}, emulator:requests())
  end)

  it("does not stand in the client's fields as text", function()
    local client = connect { api_key = emulator.api_key }
    local seen = {}
    local function search(value)
      if seen[value] then return end
      seen[value] = true
      assert.are_not.equal(emulator.api_key, value)
      if type(value) ~= "table" then return end
      for name, inner in pairs(value) do
        search(name)
        search(inner)
      end
    end
    search(client)
  end)

  describe("from a function", function()
    it("is asked for at each exchange, and loses one newline at its end", function()
      local asked = 0
      local client = connect {
        api_key = function()
          asked = asked + 1
          return emulator.api_key .. "\n"
        end,
      }
      assert.equal(0, asked)
      assert(client:authenticate())
      assert(client:list())
      assert.equal(1, asked)
      assert(client:authenticate())
      assert.equal(2, asked)
    end)

    it("that gives none is a config error with its message", function()
      for _, name in ipairs { "api_key", "access_token" } do
        local _, err = connect({ [name] = function() return nil, "vault is sealed" end }):list()
        assert.equal("config", err.kind)
        assert.matches(name, err.message)
        assert.matches("vault is sealed", err.message)
        _, err = connect({ [name] = function() end }):list()
        assert.equal("config", err.kind)
        _, err = connect({ [name] = function() return 123456 end }):list()
        assert.equal("config", err.kind)
        assert.matches("returned a number", err.message)
        assert.is_nil(err.message:find("123456", 1, true))
      end
      assert.same({}, emulator:requests())
    end)

    it("that gives what cannot be sent is invalid", function()
      for _, name in ipairs { "api_key", "access_token" } do
        for _, text in ipairs { "", "a\nb", "\n" } do
          local _, err = connect({ [name] = function() return text end }):list()
          assert.equal("invalid", err.kind)
        end
      end
      assert.same({}, emulator:requests())
    end)

    it("may raise, and the error goes on to the caller", function()
      local client = connect { api_key = function() error("mine", 0) end }
      local ok, message = pcall(client.list, client)
      assert.is_false(ok)
      assert.equal("mine", message)
    end)

    it("may close the client, which ends the call as cancelled", function()
      for _, name in ipairs { "api_key", "access_token" } do
        local client
        client = connect { [name] = function() client:close() return emulator.api_key end }
        local list, err = client:list()
        assert.is_nil(list)
        assert.equal("cancelled", err.kind)
        assert.is_false(err.ambiguous)
      end
      assert.same({}, emulator:requests())
    end)
  end)

  describe("from the environment", function()
    it("is an API key, and loses one newline at its end", function()
      environment.set { BYTENITE_API_KEY = emulator.api_key .. "\n" }
      assert.same({}, connect():list())
    end)

    it("is an access token, and loses one newline at its end", function()
      environment.set { BYTENITE_ACCESS_TOKEN = "my token\n" }
      connect():list()
      assert.equal("my token", last_request().headers.authorization)
    end)

    it("never becomes a Lua string", function()
      local getenv = os.getenv
      finally(function() os.getenv = getenv end) -- luacheck: ignore 122
      os.getenv = function(name) -- luacheck: ignore 122
        assert(name ~= "BYTENITE_API_KEY" and name ~= "BYTENITE_ACCESS_TOKEN", "read by Lua")
        return getenv(name)
      end
      environment.set { BYTENITE_API_KEY = emulator.api_key }
      assert(connect():list())
      local token = last_request().headers.authorization
      environment.set { BYTENITE_API_KEY = false, BYTENITE_ACCESS_TOKEN = token }
      assert(connect():list())
    end)

    it("that cannot be sent is a config error that names the variable", function()
      for _, name in ipairs { "BYTENITE_API_KEY", "BYTENITE_ACCESS_TOKEN" } do
        environment.set { [name] = "a\nb" }
        refused("config", name .. " holds a character that cannot stand in a header", connect())
        environment.set { [name] = ("x"):rep(65537) }
        refused("config", "^new: " .. name .. " is longer than 64 KiB", connect())
        environment.set { [name] = false }
      end
    end)
  end)

  describe("from BYTENITE_API_KEY_FILE", function()
    it("is read from a file that only its owner can read", function()
      environment.set { BYTENITE_API_KEY_FILE = file_with(emulator.api_key) }
      local client = connect()
      assert.same({}, client:list())
      assert.same({ value = "(set)", source = "environment" }, client:describe().api_key)
    end)

    it("loses one newline at its end", function()
      for _, ending in ipairs { "\n", "\r\n" } do
        environment.set { BYTENITE_API_KEY_FILE = file_with(emulator.api_key .. ending) }
        assert.same({}, connect():list())
      end
      environment.set { BYTENITE_API_KEY_FILE = file_with(emulator.api_key .. "\n\n") }
      refused("config", "BYTENITE_API_KEY_FILE holds a character", connect())
    end)

    it("is refused when others can read it, with the way round it", function()
      environment.set { BYTENITE_API_KEY_FILE = file_with(emulator.api_key, "0644") }
      local client, err = connect()
      refused("config", "the file of BYTENITE_API_KEY_FILE can be read by others %(mode 0644%)",
        client, err)
      assert.matches("from_file%(path, { shared = true }%)", err.hint)
    end)

    it("is refused when there is no such file, or an empty one", function()
      environment.set { BYTENITE_API_KEY_FILE = "/no/such/file" }
      refused("config", "the file of BYTENITE_API_KEY_FILE does not exist", connect())
      environment.set { BYTENITE_API_KEY_FILE = file_with "" }
      refused("config", "the file of BYTENITE_API_KEY_FILE is empty", connect())
      environment.set { BYTENITE_API_KEY_FILE = file_with "\n" }
      refused("config", "BYTENITE_API_KEY_FILE is empty", connect())
      environment.set { BYTENITE_API_KEY_FILE = "/tmp" }
      refused("config", "the file of BYTENITE_API_KEY_FILE is not a regular file", connect())
    end)

    it("is read again at each exchange", function()
      local path = file_with(emulator.api_key)
      environment.set { BYTENITE_API_KEY_FILE = path }
      local client = connect()
      write(path, "replaced")
      local _, err = client:authenticate()
      assert.equal("unauthorized", err.kind)
      assert.equal('{"apiKey":"replaced"}', last_request().body)
      os.remove(path)
      _, err = client:authenticate()
      assert.equal("config", err.kind)
      assert.matches("the file of BYTENITE_API_KEY_FILE does not exist", err.message)
    end)
  end)
end)
