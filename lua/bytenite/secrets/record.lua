-- Secret records: what may be in one, and questions to ask a list of them.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"
local printable = require "bytenite.secrets.printable"
local time = require "bytenite.secrets.time"

---@class bytenite.secrets.Secret a credential without its key, with the wire's names
---@field id string 1 to 1,024 bytes, unique within its type
---@field secretType string "s3", "aws", "gcp", "storj", "other", or any other word
---@field expiresAt string? RFC 3339, such as 2025-12-29T18:02:27.140Z; nil never expires
---@field accessKey string? the public half of the credential
---@field params table<string, any>? any properties
---@field name string? for people

local FIELD_TYPES = {
  id = "string",
  secretType = "string",
  expiresAt = "string",
  accessKey = "string",
  params = "table",
  name = "string",
}

local function plain_name(name)
  return (name:lower():gsub("[_-]", ""))
end

-- plain form -> the name as it has to be written
local NAMES = { secretkey = "secretKey" }
for name in pairs(FIELD_TYPES) do
  NAMES[plain_name(name)] = name
end

local record = {}

---@return string? problem of a field other than the six known ones
local function check_other(name)
  if type(name) ~= "string" then
    return ("secret: field names are strings, got %s"):format(type(name))
  end
  local meant = NAMES[plain_name(name)]
  if meant == "secretKey" then
    return ("secret.%s: the key does not belong in the record; pass it as the next argument")
      :format(printable.clean(name))
  elseif meant then
    return ("secret.%s: the field is written %s"):format(printable.clean(name), meant)
  end
end

---Checks the types and names of a record's fields.
---@param secret any
---@return string? problem that names the field
function record.problem(secret)
  if core.is_plain_record(secret) then return nil end
  if type(secret) ~= "table" then
    return ("secret: table expected, got %s"):format(arguments.type_name(secret))
  end
  for name, value in pairs(secret) do
    local wanted = FIELD_TYPES[name]
    local problem
    if not wanted then
      problem = check_other(name)
    elseif type(value) ~= wanted then
      problem = ("secret.%s: %s expected, got %s"):format(name, wanted,
        arguments.type_name(value))
    end
    if problem then return problem end
  end
  if secret.secretType == nil then return "secret.secretType is missing" end
  if secret.id == nil then return "secret.id is missing" end
end

---@param op string
---@param field string
---@param detail string
---@param hint string?
---@return bytenite.secrets.Error of kind invalid
function record.invalid(op, field, detail, hint)
  return errors.new { kind = "invalid", op = op, message = field .. " " .. detail, hint = hint }
end

---What is wrong with a record beyond types and names, before anything is sent.
---@param secret bytenite.secrets.Secret
---@return string? field
---@return string? detail
---@return string? hint
function record.value_problem(secret)
  if core.inexact[secret] then
    return "the record", "holds an integer that this Lua would round",
      "make a new record, with such a number as a string"
  end
  local params = secret.params
  -- In a record of the service it may be anything.
  if type(params) == "table" and (#params > 0 or getmetatable(params) == core.array_mt) then
    return "params", "is an array, and has to be an object"
  end
end

local DEPTH_MAX = 32 -- more than can be sent, so that a cycle ends

local function copy(value, depth)
  if type(value) ~= "table" or depth > DEPTH_MAX then return value end
  local made = {}
  for name, field in next, value do
    made[name] = copy(field, depth + 1)
  end
  if getmetatable(value) == core.array_mt then setmetatable(made, core.array_mt) end
  return made
end

---A copy of a record, or of a value in one, with all that is in it.
---@param value any
---@return any
function record.copy(value)
  return copy(value, 0)
end

-- Questions -------------------------------------------------------------------------------------

local function matches(secret, match)
  for name, value in pairs(match) do
    if secret[name] ~= value then return false end
  end
  return true
end

local function check_list(list, name)
  arguments.check_type(list, "table", name .. ": list", 1)
  for position, secret in ipairs(list) do
    arguments.check_type(secret, "table", ("%s: list[%d]"):format(name, position), 1)
  end
end

local function check_now(now, name)
  if now ~= nil then arguments.check_type(now, "number", name .. ": now", 1) end
end

local function select_from(list, accepts)
  local found = {}
  for _, secret in ipairs(list) do
    if accepts(secret) then found[#found + 1] = secret end
  end
  return found
end

---The records of a list that match.
---@param list bytenite.secrets.Secret[]
---@param match table<string, any>|fun(secret: bytenite.secrets.Secret): boolean fields and the
--- values that they must have, or a function
---@return bytenite.secrets.Secret[]
function record.find(list, match, ...)
  check_list(list, "find")
  arguments.no_more("find", ...)
  if type(match) == "function" then return select_from(list, match) end
  if type(match) ~= "table" then
    arguments.misuse("find: match: table or function expected, got " .. type(match))
  end
  return select_from(list, function(secret)
    return matches(secret, match)
  end)
end

---@return number? seconds
---@return boolean? malformed
local function seconds_left(secret, now)
  local text = secret.expiresAt
  if text == nil or text == "" then return nil end
  local moment = type(text) == "string" and time.parse(text)
  if not moment then return nil, true end
  return moment - (now or os.time())
end

---Seconds until a record expires, negative when it has.
---@param secret bytenite.secrets.Secret
---@param now number? seconds since 1970; the machine's clock by default
---@return number? seconds nil when it never expires
---@return bytenite.secrets.Error? err of kind invalid when expiresAt is no RFC 3339 timestamp
function record.expires_in(secret, now, ...)
  arguments.check_type(secret, "table", "expires_in: secret")
  check_now(now, "expires_in")
  arguments.no_more("expires_in", ...)
  local seconds, malformed = seconds_left(secret, now)
  if malformed then
    return nil, record.invalid("expires_in", "expiresAt", "is not an RFC 3339 timestamp")
  end
  return seconds
end

local function expiring(list, within, now)
  return select_from(list, function(secret)
    local seconds = seconds_left(secret, now)
    return seconds ~= nil and seconds <= within
  end)
end

---The records of a list that have expired. Those whose expiresAt cannot be read are left out.
---@param list bytenite.secrets.Secret[]
---@param now number? seconds since 1970; the machine's clock by default
---@return bytenite.secrets.Secret[]
function record.expired(list, now, ...)
  check_list(list, "expired")
  check_now(now, "expired")
  arguments.no_more("expired", ...)
  return expiring(list, 0, now)
end

---The records of a list that expire within some time, the expired ones included.
---@param list bytenite.secrets.Secret[]
---@param within_seconds number
---@param now number? seconds since 1970; the machine's clock by default
---@return bytenite.secrets.Secret[]
function record.expiring(list, within_seconds, now, ...)
  check_list(list, "expiring")
  arguments.check_type(within_seconds, "number", "expiring: within_seconds")
  check_now(now, "expiring")
  arguments.no_more("expiring", ...)
  return expiring(list, within_seconds, now)
end

---A point in time as expiresAt takes it.
---@param epoch_seconds number since 1970-01-01T00:00:00Z
---@return string text RFC 3339 in UTC
function record.timestamp(epoch_seconds, ...)
  arguments.check_type(epoch_seconds, "number", "timestamp: epoch_seconds")
  arguments.no_more("timestamp", ...)
  local text = time.format(epoch_seconds)
  if not text then arguments.misuse("timestamp: epoch_seconds is outside the years 0 to 9999") end
  return text
end

-- Injection -------------------------------------------------------------------------------------

---The environment variables as which the platform gives a secret to a job.
---@param secret_type string? nil is any type but "other"
---@param id string
---@return string key_name
---@return string? access_name nil where the key stands alone
function record.variables(secret_type, id)
  if secret_type == "other" then return id end
  return id .. "_SECRET_KEY", id .. "_ACCESS_KEY"
end

-- Validation ------------------------------------------------------------------------------------

local TEXTS = { "id", "secretType", "accessKey", "name" }
local IS_TEXT = { id = true, secretType = true, accessKey = true, name = true }

-- Strings in params and in fields of other names.
local function warn_of_nested(value, path, warnings)
  if type(value) == "table" then
    for name, inner in pairs(value) do
      warn_of_nested(inner, ("%s.%s"):format(path, tostring(name)), warnings)
    end
  elseif type(value) == "string" and core.has_stray_newline(value) then
    warnings[#warnings + 1] = printable.clean(path) .. " begins or ends with a newline"
  end
end

local function warn_of_others(secret, warnings)
  local found = {}
  for name, value in pairs(secret) do
    if not IS_TEXT[name] then warn_of_nested(value, name, found) end
  end
  table.sort(found)
  for _, warning in ipairs(found) do
    warnings[#warnings + 1] = warning
  end
end

local function warn_of_texts(secret, warnings)
  for _, name in ipairs(TEXTS) do
    local value = secret[name]
    if value and value:find("[\r\n]") then
      warnings[#warnings + 1] = name .. " holds a newline"
    elseif value and value:find("^%s") or value and value:find("%s$") then
      warnings[#warnings + 1] = name .. " begins or ends with white space"
    end
  end
end

---@return string[]
local function warnings_of(secret)
  local warnings = {}
  warn_of_texts(secret, warnings)
  warn_of_others(secret, warnings)
  if not secret.id:find("^[%a_][%w_]*$") then
    warnings[#warnings + 1] = "id cannot be part of a shell variable's name, as which a job sees it"
  end
  local seconds = seconds_left(secret)
  if seconds and seconds <= 0 then warnings[#warnings + 1] = "expiresAt has passed" end
  return warnings
end

---What put would refuse about a record, beyond types and names.
---@param secret bytenite.secrets.Secret
---@return string? field
---@return string? detail
---@return string? hint
function record.refusal(secret)
  local ok, facts = core.check_record(secret)
  if not ok then return facts.field, facts.detail end
  return record.value_problem(secret)
end

---Checks the values of a record as put would, and more.
---@param op string
---@param secret bytenite.secrets.Secret
---@return string[]? warnings
---@return bytenite.secrets.Error? err of kind invalid
function record.check(op, secret)
  local field, detail, hint = record.refusal(secret)
  if field then return nil, record.invalid(op, field, detail, hint) end
  local _, malformed = seconds_left(secret)
  if malformed then
    return nil, record.invalid(op, "expiresAt", "is not an RFC 3339 timestamp")
  end
  return warnings_of(secret)
end

---Checks a record as put would, and more, without sending it.
---@param secret bytenite.secrets.Secret
---@return true? ok
---@return string[]|bytenite.secrets.Error warnings or an Error of kind invalid
function record.validate(secret, ...)
  arguments.check_type(secret, "table", "validate: secret")
  arguments.no_more("validate", ...)
  local problem = record.problem(secret)
  if problem then
    return nil, errors.new { kind = "invalid", op = "validate", message = problem }
  end
  local warnings, err = record.check("validate", secret)
  if not warnings then return nil, err end
  return true, warnings
end

return record
