-- The options of secrets.new, the environment and the defaults, and which of them holds.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"

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
---@field max_response_bytes integer? for list, 1 to 2 GiB, 32 MiB by default
---@field ca_file string? PEM file of CA certificates, read now; the system's by default
---@field ca_path string? directory of hashed CA certificates
---@field client_cert string? PEM file, read at each connection
---@field client_key string? PEM file, read at each connection; by default it is in client_cert
---@field proxy string? URL; by default the usual environment variables, for other machines than
--- this one; "" for none
---@field app { name: string, version: string? }? added to the User-Agent
---@field on_event fun(event: table)? told of each attempt, retry and renewal
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

local function whole_number(least, most)
  return arguments.whole(least, most)
end

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
  connect_timeout = arguments.seconds(),
  deadline = arguments.seconds(),
  ignore_env = arguments.of_type("boolean"),
  max_response_bytes = whole_number(1, 2 ^ 31),
  on_event = arguments.of_type("function"),
  proxy = arguments.of_type("string"),
  retries = whole_number(0, 10),
  timeout = arguments.seconds(),
}

local DEFAULTS = {
  base_url = "https://api.bytenite.com",
  connect_timeout = 5,
  timeout = 15,
  deadline = 30,
  retries = 2,
  max_response_bytes = 32 * MIB,
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

local config = {}

---@param text string
---@param hint string?
---@return bytenite.secrets.Error of kind config
local function problem(text, hint)
  return errors.new { kind = "config", op = "new", message = text, hint = hint }
end

-- An empty variable is an unset one.
local function variable(name)
  local value = os.getenv(name)
  if value ~= "" then return value end
end

---@return any value as an option would have it
---@return bytenite.secrets.Error? err when the variable is malformed
local function from_variable(option, name)
  local text = variable(name)
  if text == nil or type(DEFAULTS[option]) ~= "number" then return text end
  local number = text:find("^%s*%d+%.?%d*%s*$") and tonumber(text)
  local wanted = CHECKS[option](number)
  if wanted then
    return nil, problem(("%s: %s expected, got %q"):format(name, wanted, errors.clean(text)))
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

-- What a setting is called where its value came from.
local function name_of(settings, name)
  if settings.sources[name] ~= "environment" then return "option " .. name end
  return name == "proxy" and settings.proxy_variable or VARIABLES[name]
end

-- C would read such a text only as far as the zero byte.
---@return bytenite.secrets.Error?
local function check_texts(settings)
  for _, name in ipairs { "base_url", "ca_file", "ca_path", "client_cert", "client_key" } do
    local value = settings.values[name]
    if value and value:find("\0", 1, true) then
      return problem(name_of(settings, name) .. " holds a zero byte")
    end
  end
end

-- Proxies ---------------------------------------------------------------------------------------

local PROXY_VARIABLES = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" }

local PROXY_SCHEMES =
  { http = true, https = true, socks4 = true, socks4a = true, socks5 = true, socks5h = true }

local function is_loopback(url)
  local host = url:lower():match("^https?://([^/]*)")
  host = host and host:gsub(":%d*$", "")
  return host ~= nil
    and (host == "localhost" or host == "[::1]" or host:find("^127%.%d+%.%d+%.%d+$") ~= nil)
end

-- The usual proxy variables, for a service on another machine. That is for the core to say; here
-- the common forms of this machine's name keep the variables from being read at all.
local function read_proxy(settings)
  if settings.values.proxy ~= nil or is_loopback(settings.values.base_url) then return end
  for _, name in ipairs(PROXY_VARIABLES) do
    local proxy = variable(name)
    if proxy then
      set(settings, "proxy", proxy, "environment")
      settings.proxy_variable = name
      settings.remote_proxy = true
      settings.no_proxy = variable("no_proxy") or variable("NO_PROXY")
      return
    end
  end
end

-- Without what ends a login in a URL, and without control characters, also as escapes.
local function is_proxy_login(text)
  return not text:find("[%c%s/?#@\\]") and not text:find("%%[01]%x")
end

-- A host, and a port if there is one.
local function is_proxy_address(text)
  local rest = text:match("^[%w._-]+(.*)$") or text:match("^%[[%x:.]+%](.*)$")
  if not rest then return false end
  local port = rest:match("^:(%d%d?%d?%d?%d?)/?$")
  if port then return tonumber(port) >= 1 and tonumber(port) <= 65535 end
  return rest == "" or rest == "/"
end

-- libcurl quotes a proxy that it cannot read in its error, password included, and goes without
-- some others, so it only gets to see what is beyond doubt.
local function is_proxy(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.*)$")
  if scheme and not PROXY_SCHEMES[scheme:lower()] then return false end
  rest = rest or text
  local login, address = rest:match("^(.*)@(.*)$")
  return (not login or is_proxy_login(login)) and is_proxy_address(address or rest)
end

---@return bytenite.secrets.Error?
local function check_proxy(settings)
  local proxy = settings.values.proxy
  if not proxy or proxy == "" or is_proxy(proxy) then return end
  return problem(name_of(settings, "proxy") .. " is not a proxy such as http://proxy.example:3128",
    "write special characters of a user name or password as escapes, such as %40 for @")
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
      if reason then return problem(("option %s: %s"):format(name, reason)) end
    end
  end
  if values.client_key and not values.client_cert then
    return problem("option client_key is given without client_cert")
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

-- Credentials -----------------------------------------------------------------------------------

---@class bytenite.secrets.CredentialSource
---@field kind "api_key"|"access_token"
---@field value bytenite.secrets.SecretString|string|fun(): any, string? a string only when too long
---@field trim boolean whether a newline at its end is dropped
---@field name string for messages, such as "BYTENITE_API_KEY"

local function both(first, second)
  return problem(("both %s and %s are given"):format(first, second), "keep one of them")
end

---@return bytenite.secrets.CredentialSource?
---@return bytenite.secrets.Error?
local function from_options(options)
  if options.api_key ~= nil and options.access_token ~= nil then
    return nil, both("option api_key", "option access_token")
  end
  local kind = options.api_key ~= nil and "api_key" or "access_token"
  local value = options[kind]
  if value == nil then return nil end
  local source = { kind = kind, value = value, trim = true, name = "option " .. kind }
  if type(value) == "string" then
    source.trim = false
    -- So that it is not seen where somebody dumps the client.
    source.value = core.secret_from_string(value) or value
  end
  return source
end

-- Read again at each exchange, so that a key that was replaced is found.
local function file_credential(path)
  return function()
    local secret, text = core.secret_from_file(path)
    return secret, text and "the file of BYTENITE_API_KEY_FILE " .. text
  end
end

local FILE_HINT = "a file that others may read goes through option api_key: "
  .. "secrets.from_file(path, { shared = true })"

---@return bytenite.secrets.CredentialSource?
---@return bytenite.secrets.Error?
local function from_environment()
  local given = {}
  for _, name in ipairs { "BYTENITE_API_KEY", "BYTENITE_API_KEY_FILE", "BYTENITE_ACCESS_TOKEN" } do
    if variable(name) then given[#given + 1] = name end
  end
  if #given > 1 then return nil, both(given[1], given[2]) end
  local name = given[1]
  if not name then return nil end
  local source = {
    kind = name == "BYTENITE_ACCESS_TOKEN" and "access_token" or "api_key",
    trim = true,
    name = name,
  }
  local secret, text
  if name == "BYTENITE_API_KEY_FILE" then
    source.value = file_credential(variable(name))
    secret, text = source.value()
    if not secret then return nil, problem(text, text:find("shared", 1, true) and FILE_HINT) end
  else
    secret, text = core.secret_from_env(name)
    source.value = secret
    if not secret then return nil, problem(("%s %s"):format(name, text)) end
  end
  local ok, reason = core.check_token(secret, true)
  if not ok then return nil, problem(("%s %s"):format(name, reason)) end
  return source
end

---@return bytenite.secrets.Error?
local function check_static(source)
  if type(source.value) == "function" then return end
  local ok, reason = core.check_token(source.value, source.trim)
  if ok then return end
  return errors.new { kind = "invalid", op = "new", message = source.name .. " " .. reason }
end

---@return bytenite.secrets.Error?
local function read_credential(settings, options)
  local source, err = from_options(options)
  local origin = "option"
  if not source and not err and not options.ignore_env then
    source, err = from_environment()
    origin = "environment"
  end
  if err then return err end
  if not source then
    local tried = "option api_key, option access_token"
    if not options.ignore_env then
      tried = tried .. ", BYTENITE_API_KEY, BYTENITE_API_KEY_FILE, BYTENITE_ACCESS_TOKEN"
    end
    return problem("no credential is set; looked at " .. tried,
      "set BYTENITE_API_KEY, or pass api_key to secrets.new")
  end
  settings.credential = source
  set(settings, source.kind, source.value, origin)
  return check_static(source)
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
    proxy = values.proxy,
    no_proxy = settings.no_proxy,
    remote_proxy = settings.remote_proxy,
    user_agent = user_agent(values.app),
  }
  if opened then return opened end
  return nil, problem(option and name_of(settings, option) .. " " .. text or text)
end

-- A proxy's URL may hold a password.
local function without_login(url)
  local scheme = url:match("^%a[%w+.-]*://") or ""
  return scheme .. url:sub(#scheme + 1):gsub("^.*@", "")
end

local function shown(name, value, source)
  if value == nil then return nil end
  if type(value) == "function" and source == "option" then return "(function)" end
  if SECRET_SETTINGS[name] then return "(set)" end
  if name == "proxy" then return without_login(value) end
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
