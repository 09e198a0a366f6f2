local environment = require "environment"
local secrets = require "bytenite.secrets"
local service = require "service"

-- As secrets.new, with a key, and closed after the test.
local function new(options)
  options = options or {}
  if options.api_key == nil and options.access_token == nil then options.api_key = "key" end
  return service.keep(secrets.new(options))
end

-- As secrets.new, for what stands in the environment.
local function new_from_environment(variables, options)
  environment.set(variables)
  return service.keep(secrets.new(options))
end

local function raises(message, options)
  local ok, raised = pcall(secrets.new, options)
  assert.is_false(ok)
  assert.equal(message, raised)
end

local function refused(kind, pattern, client, err)
  assert.is_nil(client)
  assert.equal(kind, err.kind)
  assert.equal("new", err.op)
  assert.matches(pattern, err.message)
  assert.equal(0, err.sends)
end

describe("options of secrets.new", function()
  before_each(environment.clear)

  after_each(function()
    service.release()
    environment.restore()
  end)

  it("have defaults for all but the credential", function()
    local described = new():describe()
    for name, value in pairs {
      base_url = "https://api.bytenite.com",
      connect_timeout = 5,
      timeout = 15,
      deadline = 30,
      retries = 2,
      max_response_bytes = 32 * 1024 * 1024,
      allow_http = false,
      ignore_env = false,
    } do
      assert.same({ value = value, source = "default" }, described[name], name)
    end
  end)

  it("raise for a name that is unknown, and tell what there is", function()
    local ok, message = pcall(secrets.new, { apikey = "key" })
    assert.is_false(ok)
    assert.matches('^new: unknown option "apikey" %(there are access_token, allow_http, api_key, ',
      message)
    ok, message = pcall(secrets.new, { "key" })
    assert.is_false(ok)
    assert.matches('^new: unknown option "1"', message)
  end)

  it("raise at the caller's own line", function()
    local here = debug.getinfo(1, "l").currentline
    local _, message = pcall(function()
      local client = secrets.new { nosuch = true } -- two lines below `here`
      return client
    end)
    assert.matches(("config_spec.lua:%d: new: unknown option"):format(here + 2), message, 1, true)
  end)

  it("raise when they are no table, or not alone", function()
    raises("new: options: table expected, got string", "key")
    local ok, message = pcall(secrets.new, {}, {})
    assert.is_false(ok)
    assert.equal("new: too many arguments", message)
  end)

  it("raise for a wrong type", function()
    local wanted = {
      access_token = "string, SecretString or function",
      allow_http = "boolean",
      api_key = "string, SecretString or function",
      app = "table",
      auth_scheme = 'a word such as "Bearer"',
      base_url = "string",
      ca_file = "string",
      ca_path = "string",
      client_cert = "string",
      client_key = "string",
      connect_timeout = "a number of seconds over 0, up to 3600,",
      deadline = "a number of seconds over 0, up to 3600,",
      ignore_env = "boolean",
      max_response_bytes = "a whole number from 1 to 1073741824",
      on_event = "function",
      proxy = "string",
      retries = "a whole number from 0 to 10",
      timeout = "a number of seconds over 0, up to 3600,",
    }
    for name, text in pairs(wanted) do
      raises(("new: option %s: %s expected, got userdata"):format(name, text),
        { [name] = secrets.null })
    end
    raises("new: option base_url: string expected, got SecretString",
      { base_url = secrets.from_string "https://api.example" })
    raises("new: option retries: a whole number from 0 to 10 expected, got string",
      { retries = "2" })
  end)

  it("raise for times out of range", function()
    for _, name in ipairs { "connect_timeout", "timeout", "deadline" } do
      for _, value in ipairs { 0, -1, 3600.5, math.huge, 0 / 0 } do
        raises(("new: option %s: a number of seconds over 0, up to 3600, expected, got %s")
          :format(name,
          tostring(value)), { [name] = value })
      end
      for _, value in ipairs { 0.001, 3600 } do
        assert.equal(value, new({ [name] = value }):describe()[name].value)
      end
    end
  end)

  it("raise for numbers out of range", function()
    for _, value in ipairs { -1, 11, 1.5, math.huge, 0 / 0 } do
      raises(("new: option retries: a whole number from 0 to 10 expected, got %s"):format(
        tostring(value)), { retries = value })
    end
    for _, value in ipairs { 0, 2 ^ 30 + 1, 0.5 } do
      raises(("new: option max_response_bytes: a whole number from 1 to 1073741824 expected, "
        .. "got %s"):format(tostring(value)), { max_response_bytes = value })
    end
    for _, value in ipairs { 0, 10 } do
      assert.equal(value, new({ retries = value }):describe().retries.value)
    end
    assert.truthy(new { max_response_bytes = 2 ^ 30 })
  end)

  it("raise for a scheme that is no word", function()
    for _, value in ipairs { "", "Bearer ", "Bea:rer", "Bearer\n", ("x"):rep(33) } do
      raises('new: option auth_scheme: a word such as "Bearer" expected, got string',
        { auth_scheme = value })
    end
  end)

  it("never show what stands where a credential should", function()
    raises("new: option api_key: string, SecretString or function expected, got number",
      { api_key = 123456 })
  end)

  describe("app", function()
    it("is a name and a version, if any", function()
      local wanted = "new: option app: { name = string, version = string } expected, got table"
      for _, value in ipairs {
        {}, { version = "1" }, { name = 1 }, { name = "x", version = 2 },
        { name = "x", url = "y" }, { "x" },
      } do
        raises(wanted, { app = value })
      end
    end)

    it("is refused when it cannot stand in a header", function()
      for _, text in ipairs { "", "a b", "a\r\nX: y", "ü", "a\0" } do
        refused("invalid", "option app: name is to be made of visible ASCII",
          new { app = { name = text } })
        refused("invalid", "option app: version is to be made of visible ASCII",
          new { app = { name = "x", version = text } })
      end
    end)

    it("is added to the User-Agent", function()
      local emulator = service.start()
      local function user_agent(app)
        local options = { base_url = emulator.url, api_key = emulator.api_key, app = app }
        assert(new(options):list())
        local requests = emulator:requests()
        return requests[#requests].headers["user-agent"]
      end
      local plain = user_agent()
      assert.equal("bytenite-secrets/" .. secrets._VERSION, plain)
      assert.equal(plain .. " batch", user_agent { name = "batch" })
      assert.equal(plain .. " batch/1.2", user_agent { name = "batch", version = "1.2" })
    end)
  end)

  describe("in the environment", function()
    it("are read, and told as such", function()
      local described = new_from_environment {
        BYTENITE_API_KEY = "key",
        BYTENITE_BASE_URL = "https://api.example",
        BYTENITE_TIMEOUT = "2.5",
        BYTENITE_DEADLINE = "60",
        BYTENITE_RETRIES = "0",
        BYTENITE_PROXY = "http://proxy.example:3128",
      }:describe()
      assert.same({ value = "https://api.example", source = "environment" }, described.base_url)
      assert.same({ value = 2.5, source = "environment" }, described.timeout)
      assert.same({ value = 60, source = "environment" }, described.deadline)
      assert.same({ value = 0, source = "environment" }, described.retries)
      assert.same({ value = "http://proxy.example:3128", source = "environment" }, described.proxy)
      assert.same({ value = "(set)", source = "environment" }, described.api_key)
    end)

    it("come after options and before defaults", function()
      environment.set { BYTENITE_TIMEOUT = "2", BYTENITE_RETRIES = "7" }
      local described = new({ timeout = 3 }):describe()
      assert.same({ value = 3, source = "option" }, described.timeout)
      assert.same({ value = 7, source = "environment" }, described.retries)
      assert.same({ value = 30, source = "default" }, described.deadline)
    end)

    it("count as not set when they are empty", function()
      local described = new_from_environment({
        BYTENITE_API_KEY = "", BYTENITE_API_KEY_FILE = "", BYTENITE_ACCESS_TOKEN = "token",
        BYTENITE_BASE_URL = "", BYTENITE_TIMEOUT = "", BYTENITE_DEADLINE = "",
        BYTENITE_RETRIES = "", BYTENITE_CA_FILE = "", BYTENITE_PROXY = "", https_proxy = "",
      }):describe()
      for _, name in ipairs {
        "base_url", "timeout", "deadline", "retries", "ca_file", "proxy", "api_key",
      } do
        assert.equal("default", described[name].source, name)
      end
      assert.equal("environment", described.access_token.source)
    end)

    it("are a config error that names the variable when they are malformed", function()
      for name, values in pairs {
        BYTENITE_TIMEOUT = { "fast", "0", "-1", "3601", "1e3", "0x10", "1,5", "nan", "5s", " " },
        BYTENITE_DEADLINE = { "inf", "0.0", "1 2" },
        BYTENITE_RETRIES = { "two", "11", "-1", "1.5" },
        BYTENITE_BASE_URL = { "api.example", "http://api.example", "https://u:p@api.example" },
        BYTENITE_CA_FILE = { "/no/such/file", "/dev/null" },
        BYTENITE_PROXY = { "ftp://proxy.example", "pro xy", "http://proxy.example:0" },
      } do
        for _, value in ipairs(values) do
          environment.set { [name] = value }
          refused("config", name, new())
          environment.set { [name] = false }
        end
      end
    end)

    it("are not looked at when an option says otherwise, however malformed", function()
      environment.set { BYTENITE_TIMEOUT = "fast", BYTENITE_BASE_URL = "nonsense" }
      assert.truthy(new { timeout = 1, base_url = "https://api.example" })
    end)

    it("are ignored with ignore_env", function()
      environment.set {
        BYTENITE_BASE_URL = "nonsense", BYTENITE_TIMEOUT = "fast", BYTENITE_ACCESS_TOKEN = "x",
        BYTENITE_PROXY = "http://a:1", https_proxy = "http://b:1",
      }
      local described = new({ ignore_env = true }):describe()
      assert.equal("https://api.bytenite.com", described.base_url.value)
      assert.equal(15, described.timeout.value)
      assert.is_nil(described.proxy.value)
      refused("config", "no credential is set", secrets.new { ignore_env = true })
    end)
  end)

  describe("describe", function()
    it("shows each setting and where it came from, and no secret", function()
      environment.set { BYTENITE_RETRIES = "1", https_proxy = "http://me:hunter2@proxy.example:1" }
      local described = new({ api_key = "hunter2", on_event = function() end }):describe()
      assert.same({ value = "(set)", source = "option" }, described.api_key)
      assert.same({ source = "default" }, described.access_token)
      assert.same({ value = "(function)", source = "option" }, described.on_event)
      assert.same({ value = 1, source = "environment" }, described.retries)
      assert.same({ value = "http://proxy.example:1", source = "environment" }, described.proxy)
      for name, setting in pairs(described) do
        assert.is_nil(tostring(setting.value):find("hunter2", 1, true), name)
      end
    end)

    it("shows a credential that is a function as such", function()
      local function give() return "hunter2" end
      assert.equal("(function)", new({ api_key = give }):describe().api_key.value)
      assert.equal("(function)", new({ access_token = give }):describe().access_token.value)
      assert.equal("(set)",
        new({ access_token = secrets.from_string "hunter2" }):describe().access_token.value)
    end)

    it("raises for misuse", function()
      local client = new()
      assert.has_error(function() client.describe() end)
      assert.has_error(function() client:describe(1) end)
    end)
  end)
end)
