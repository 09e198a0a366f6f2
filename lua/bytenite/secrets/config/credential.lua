-- Credentials: where they come from, and how they are asked for.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local environment = require "bytenite.secrets.config.environment"
local errors = require "bytenite.secrets.errors"
local printable = require "bytenite.secrets.printable"

---@class bytenite.secrets.CredentialSource
---@field kind "api_key"|"access_token"
---@field value bytenite.secrets.SecretString|string|fun(): any, string? a string only when too long
---@field constant boolean? nobody else can change or wipe it
---@field trim boolean whether a newline at its end is dropped
---@field name string for messages, such as "BYTENITE_API_KEY"

local function both(first, second)
  return errors.config(("both %s and %s are given"):format(first, second), "keep one of them")
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
    source.constant = true
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

local FILE_HINT = "chmod 600; a file that others may read goes through option api_key: "
  .. "secrets.from_file(path, { shared = true })"

---@return bytenite.secrets.CredentialSource?
---@return bytenite.secrets.Error?
local function from_environment()
  local given = {}
  for _, name in ipairs { "BYTENITE_API_KEY", "BYTENITE_API_KEY_FILE", "BYTENITE_ACCESS_TOKEN" } do
    if environment.is_set(name) then given[#given + 1] = name end
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
    source.value = file_credential(environment.get(name))
    secret, text = source.value()
    local hint = text and text:find("read by others", 1, true) and FILE_HINT or nil
    if not secret then return nil, errors.config(text, hint) end
  else
    secret, text = core.secret_from_env(name)
    source.value = secret
    source.constant = true
    if not secret then return nil, errors.config(("%s %s"):format(name, text)) end
  end
  local ok, reason = core.check_token(secret, true)
  if not ok then return nil, errors.config(("%s %s"):format(name, reason)) end
  return source
end

---@return bytenite.secrets.Error?
local function check_static(source)
  if type(source.value) == "function" then return end
  local ok, reason = core.check_token(source.value, source.trim)
  if ok then return end
  return errors.new { kind = "invalid", op = "new", message = source.name .. " " .. reason }
end

local credential = {}

---Finds the credential of a new client: in the options, else in the environment.
---@param options bytenite.secrets.Options
---@return bytenite.secrets.CredentialSource?
---@return "option"|"environment"|bytenite.secrets.Error origin or err
function credential.find(options)
  local source, err = from_options(options)
  local origin = "option"
  if not source and not err and not options.ignore_env then
    source, err = from_environment()
    origin = "environment"
  end
  err = err or source and check_static(source)
  if err then return nil, err end
  if source then return source, origin end
  local tried = "option api_key, option access_token"
  if not options.ignore_env then
    tried = tried .. ", BYTENITE_API_KEY, BYTENITE_API_KEY_FILE, BYTENITE_ACCESS_TOKEN"
  end
  return nil, errors.config("no credential is set; looked at " .. tried,
    "set BYTENITE_API_KEY, or pass api_key to secrets.new")
end

---The credential itself: what was given, or what the function that was given returns now.
---@param call table that needs it
---@param value bytenite.secrets.Credential
---@param name string for messages
---@return string|bytenite.secrets.SecretString|nil
---@return bytenite.secrets.Error? err of kind config
function credential.ask(call, value, name)
  if type(value) ~= "function" then return value end
  local answer, message = call.waiting:invoke(value)
  if type(answer) == "string" or core.is_secret_string(answer) then return answer end
  if answer ~= nil then message = "it returned a " .. arguments.type_name(answer) end
  return nil, errors.new {
    kind = "config",
    op = call:op(),
    message = ("%s gave none: %s"):format(name, printable.clean(message or "it returned nil")),
  }
end

return credential
