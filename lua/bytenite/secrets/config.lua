-- The options of secrets.new, the environment and the defaults, and which of them holds.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local credential = require "bytenite.secrets.config.credential"
local environment = require "bytenite.secrets.config.environment"
local errors = require "bytenite.secrets.errors"
local printable = require "bytenite.secrets.printable"
local proxy = require "bytenite.secrets.config.proxy"

---@class bytenite.secrets.Event
---@field op string as Error.op
---@field event "attempt"|"retry"|"renewal"
---@field attempt integer? which one it was; 1 is the first
---@field ok boolean? of an attempt
---@field kind bytenite.secrets.ErrorKind? of an attempt that failed
---@field status integer? of an attempt that failed with an answer
---@field sends integer? requests that left with an attempt
---@field seconds number? that an attempt took
---@field wait number? seconds before a retry
---@field expires_in integer? seconds that a new access token lives

---@class bytenite.secrets.Options
---@field api_key bytenite.secrets.Credential? exchanged for access tokens
---@field access_token bytenite.secrets.Credential? instead of api_key
---@field auth_scheme string? "Bearer" puts it before the token; none by default
---@field base_url string? https://api.bytenite.com by default; http only to this machine
---@field allow_http boolean? allows http to other machines; false by default
---@field connect_timeout number? seconds, up to 3600, 5 by default
---@field timeout number? seconds for one attempt, up to 3600, 15 by default
---@field deadline number? seconds for a call with waits and retries, up to 3600, 30 by default
---@field retries integer? 0 to 10, 2 by default
---@field max_response_bytes integer? for list, 1 to 1 GiB, 32 MiB by default
---@field ca_file string? PEM file of CA certificates, read now; the system's by default
---@field ca_path string? directory of hashed CA certificates
---@field client_cert string? PEM file, read at each connection
---@field client_key string? PEM file, read at each connection; by default it is in client_cert
---@field proxy string? URL; by default the usual environment variables, for other machines than
--- this one; "" for none
---@field concurrency integer? items of a bulk call at once, 1 to 256, 16 by default
---@field wait fun(fd: integer?, seconds: number)? instead of blocking: returns when `fd`, if there
--- is one, is readable, or the time is up
---@field app { name: string, version: string? }? added to the User-Agent
---@field on_event fun(event: bytenite.secrets.Event)? told of each attempt, retry and renewal
---@field ignore_env boolean? ignores BYTENITE_* and the proxy variables; false by default

-- A function returns one of the others, or nil and why it has none.
---@alias bytenite.secrets.Credential
---| string
---| bytenite.secrets.SecretString
---| fun(): (string|bytenite.secrets.SecretString)?, string?

local MIB = 1024 * 1024

local function check_scheme(value)
  if type(value) ~= "string" or #value > 32 or not value:find("^[%w-]+$") then
    return 'a word such as "Bearer"'
  end
end

local function check_app(value)
  if type(value) ~= "table" then return "table" end
  for name, text in pairs(value) do
    if (name ~= "name" and name ~= "version") or type(text) ~= "string" then
      return "{ name = string, version = string }"
    end
  end
  if not value.name then return "{ name = string, version = string }" end
end

-- PUC Lua 5.1 cannot yield across pcall, which other coroutines' calls rely on.
local function check_wait(value)
  if type(value) ~= "function" then return "function" end
  if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
    return "Lua 5.2 or newer, or LuaJIT,", _VERSION
  end
end

local config = {
  MOST_AT_ONCE = 256, -- items of a bulk call
}

local CHECKS = {
  access_token = arguments.credential(),
  allow_http = arguments.of_type("boolean"),
  api_key = arguments.credential(),
  app = check_app,
  auth_scheme = check_scheme,
  base_url = arguments.of_type("string"),
  ca_file = arguments.of_type("string"),
  ca_path = arguments.of_type("string"),
  client_cert = arguments.of_type("string"),
  client_key = arguments.of_type("string"),
  concurrency = arguments.whole(1, config.MOST_AT_ONCE),
  connect_timeout = arguments.seconds(),
  deadline = arguments.seconds(),
  ignore_env = arguments.of_type("boolean"),
  max_response_bytes = arguments.whole(1, 2 ^ 30),
  on_event = arguments.of_type("function"),
  proxy = arguments.of_type("string"),
  retries = arguments.whole(0, 10),
  timeout = arguments.seconds(),
  wait = check_wait,
}

local DEFAULTS = {
  base_url = "https://api.bytenite.com",
  connect_timeout = 5,
  timeout = 15,
  deadline = 30,
  retries = 2,
  max_response_bytes = 32 * MIB,
  concurrency = 16,
  allow_http = false,
  ignore_env = false,
}

local VARIABLES = {
  base_url = "BYTENITE_BASE_URL",
  timeout = "BYTENITE_TIMEOUT",
  deadline = "BYTENITE_DEADLINE",
  retries = "BYTENITE_RETRIES",
  ca_file = "BYTENITE_CA_FILE",
  proxy = "BYTENITE_PROXY",
}

local SECRET_SETTINGS = { api_key = true, access_token = true }

config.DEFAULTS = DEFAULTS

---@return any value as an option would have it
---@return bytenite.secrets.Error? err when the variable is malformed
local function from_variable(option, name)
  local text = environment.get(name)
  if text == nil or type(DEFAULTS[option]) ~= "number" then return text end
  local number = text:find("^%s*%d+%.?%d*%s*$") and tonumber(text)
  local wanted = CHECKS[option](number)
  if wanted then
    return nil, errors.config(("%s: %s expected, got %q"):format(name, wanted,
      printable.clean(text)))
  end
  return number
end

local function set(settings, name, value, source)
  settings.values[name], settings.sources[name] = value, source
end

local function read_values(settings, options)
  for name in pairs(CHECKS) do
    if options[name] ~= nil then
      set(settings, name, options[name], "option")
    else
      set(settings, name, DEFAULTS[name], "default")
    end
  end
end

---@return bytenite.secrets.Error?
local function read_variables(settings)
  for name, variable_name in pairs(VARIABLES) do
    if settings.sources[name] == "default" then
      local value, err = from_variable(name, variable_name)
      if err then return err end
      if value ~= nil then set(settings, name, value, "environment") end
    end
  end
end

---The environment variable that a setting comes from.
---@param settings bytenite.secrets.Settings
---@param name string of the setting
---@return string? variable nil when it does not come from the environment
function config.variable(settings, name)
  if settings.sources[name] ~= "environment" then return nil end
  if SECRET_SETTINGS[name] then return settings.credential.name end
  return name == "proxy" and settings.proxy_variable or VARIABLES[name]
end

-- What a setting is called where its value came from.
local function name_of(settings, name)
  return config.variable(settings, name) or "option " .. name
end

-- C would read such a text only as far as the zero byte.
---@return bytenite.secrets.Error?
local function check_texts(settings)
  for _, name in ipairs { "base_url", "ca_file", "ca_path", "client_cert", "client_key" } do
    local value = settings.values[name]
    if value and value:find("\0", 1, true) then
      return errors.config(name_of(settings, name) .. " holds a zero byte")
    end
  end
end

-- The usual proxy variables come last.
local function read_proxy(settings)
  if settings.values.proxy ~= nil then return end
  local url, name, no_proxy = proxy.from_environment(settings.values.base_url)
  if not url then return end
  set(settings, "proxy", url, "environment")
  settings.proxy_variable, settings.no_proxy, settings.remote_proxy = name, no_proxy, true
end

---@return bytenite.secrets.Error?
local function check_proxy(settings)
  local url = settings.values.proxy
  if not url or url == "" or proxy.is_valid(url) then return end
  return errors.config(
    name_of(settings, "proxy") .. " is not a proxy such as http://proxy.example:3128",
    "write special characters of a user name or password as escapes, such as %40 for @")
end

---@return bytenite.secrets.Error?
local function read_credential(settings, options)
  local source, origin = credential.find(options)
  if not source then return origin end
  settings.credential = source
  set(settings, source.kind, source.value, origin)
end

-- Files and names -------------------------------------------------------------------------------

-- Why a file cannot be read, as the system says it; nil when it can.
local function unreadable(path)
  local file, message = io.open(path, "rb")
  if not file then return message end
  local _, reason = file:read(1) -- a directory can be opened
  file:close()
  return reason and path .. ": " .. reason
end

-- Files of the client's certificate are read by the TLS library at each connection; that they can
-- be read is better known now.
---@return bytenite.secrets.Error?
local function check_files(values)
  for _, name in ipairs { "client_cert", "client_key" } do
    if values[name] then
      local reason = unreadable(values[name])
      if reason then return errors.config(("option %s: %s"):format(name, reason)) end
    end
  end
  if values.client_key and not values.client_cert then
    return errors.config("option client_key is given without client_cert")
  end
end

---@return bytenite.secrets.Error?
local function check_user_agent(values)
  local app = values.app
  if not app then return end
  for name, text in pairs(app) do
    if text == "" or text:find("[^!-~]") then
      return errors.new {
        kind = "invalid",
        op = "new",
        message = ("option app: %s is to be made of visible ASCII characters"):format(name),
      }
    end
  end
end

-- Reading and telling ---------------------------------------------------------------------------

---@class bytenite.secrets.Settings
---@field values table<string, any>
---@field sources table<string, "option"|"environment"|"default">
---@field credential bytenite.secrets.CredentialSource
---@field proxy_variable string? the usual variable that the proxy came from
---@field remote_proxy boolean? the proxy is for other machines only
---@field no_proxy string?

---Reads the settings of a new client. Raises for options of a wrong type or name.
---@param options bytenite.secrets.Options?
---@return bytenite.secrets.Settings?
---@return bytenite.secrets.Error? err of kind config or invalid
function config.read(options)
  options = arguments.options(options, CHECKS, "new", 1)
  local settings = { values = {}, sources = {} }
  read_values(settings, options)
  local err
  if not options.ignore_env then
    err = read_variables(settings)
    read_proxy(settings)
  end
  err = err or check_texts(settings) or check_proxy(settings) or check_files(settings.values)
    or check_user_agent(settings.values) or read_credential(settings, options)
  if err then return nil, err end
  return settings
end

---@return string
local function user_agent(app)
  local text = "bytenite-secrets/" .. core.version
  if app then text = text .. " " .. app.name .. (app.version and "/" .. app.version or "") end
  return text
end

---Opens the core's client.
---@param settings bytenite.secrets.Settings
---@return table? core_client
---@return bytenite.secrets.Error? err of kind config
function config.open(settings)
  local values = settings.values
  local opened, text, option = core.client {
    base_url = values.base_url,
    allow_http = values.allow_http,
    auth_scheme = values.auth_scheme,
    ca_file = values.ca_file,
    ca_path = values.ca_path,
    client_cert = values.client_cert,
    client_key = values.client_key,
    connect_timeout = values.connect_timeout,
    max_response_bytes = values.max_response_bytes,
    max_connections = config.MOST_AT_ONCE, -- or some would be closed and opened again under way
    pollable = values.wait ~= nil,
    proxy = values.proxy,
    no_proxy = settings.no_proxy,
    remote_proxy = settings.remote_proxy,
    user_agent = user_agent(values.app),
  }
  if opened then return opened end
  return nil, errors.config(option and name_of(settings, option) .. " " .. text or text)
end

local function shown(name, value, source)
  if value == nil then return nil end
  if type(value) == "function" and source == "option" then return "(function)" end
  if SECRET_SETTINGS[name] then return "(set)" end
  if name == "proxy" then return proxy.without_login(value) end
  return value
end

---Each setting with where it came from, fit to be shown.
---@param settings bytenite.secrets.Settings
---@return table<string, { value: any, source: string }>
function config.describe(settings)
  local described = {}
  for name, source in pairs(settings.sources) do
    described[name] = { value = shown(name, settings.values[name], source), source = source }
  end
  return described
end

return config
