-- Whether what is stored says the same as what was given, however the service writes it.

local core = require "bytenite.secrets.core"
local record = require "bytenite.secrets.record"
local time = require "bytenite.secrets.time"

local compare = {}

local MILLISECOND = 0.001

-- The address of a record, which tells it from the others.
local ADDRESS = { id = true, secretType = true }

local function is_array(value)
  return #value > 0 or getmetatable(value) == core.array_mt
end

local function is_object(value)
  return type(value) == "table" and not is_array(value)
end

---The names of one or two tables, each once, in a stable order.
---@param one table<string, any>
---@param other table<string, any>?
---@return string[]
function compare.names(one, other)
  local names = {}
  for name in pairs(one) do
    names[#names + 1] = name
  end
  for name in pairs(other or {}) do
    if one[name] == nil then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function same_tables(stored, given, same)
  if is_array(stored) ~= is_array(given) or #stored ~= #given then return false end
  for name, value in pairs(stored) do
    if not same(value, given[name]) then return false end
  end
  for name, value in pairs(given) do
    if stored[name] == nil and not same(nil, value) then return false end
  end
  return true
end

-- Within params every difference counts.
local function same_data(stored, given)
  if type(stored) ~= "table" or type(given) ~= "table" then return stored == given end
  return same_tables(stored, given, same_data)
end

-- What protojson may leave out of a message.
local function is_default(value)
  if value == nil or value == core.null then return true end
  if type(value) == "table" then return next(value) == nil end
  return value == "" or value == 0 or value == false
end

-- An int64 travels as a string.
local function is_number_as_text(text, number)
  return type(text) == "string" and type(number) == "number" and text:find("^%-?%d+$") ~= nil
    and tonumber(text) == number
end

local function same_message(stored, given)
  if stored == given or is_default(stored) and is_default(given) then return true end
  if type(stored) == "table" and type(given) == "table" then
    return same_tables(stored, given, same_message)
  end
  return is_number_as_text(stored, given) or is_number_as_text(given, stored)
end

local function same_time(stored, given)
  local one = type(stored) == "string" and time.parse(stored)
  local other = type(given) == "string" and time.parse(given)
  return one and other and math.abs(one - other) < MILLISECOND
end

local function same_field(name, stored, given)
  if is_default(stored) and is_default(given) then return true end
  if name == "params" then return same_data(stored, given) end
  return same_message(stored, given) or name == "expiresAt" and same_time(stored, given)
end

---Whether two records of one address say the same.
---@param one bytenite.secrets.Secret
---@param other bytenite.secrets.Secret
---@return boolean
function compare.same(one, other)
  for _, name in ipairs(compare.names(one, other)) do
    if not same_field(name, one[name], other[name]) then return false end
  end
  return true
end

local function add(fields, name, old, new)
  fields[#fields + 1] = { field = name, old = record.copy(old), new = record.copy(new) }
end

local function add_params(fields, stored, given)
  for _, name in ipairs(compare.names(stored, given)) do
    if not same_data(stored[name], given[name]) then
      add(fields, "params." .. name, stored[name], given[name])
    end
  end
end

---The fields of a record that differ from what is given; those that are not given do not.
---@param stored bytenite.secrets.Secret|{}
---@param given bytenite.secrets.Secret
---@return bytenite.secrets.FieldChange[] in the order of their names; members of params one by one
function compare.fields(stored, given)
  local fields = setmetatable({}, core.array_mt)
  for _, name in ipairs(compare.names(given)) do
    local old, new = stored[name], given[name]
    if not ADDRESS[name] and not same_field(name, old, new) then
      if name == "params" and is_object(old or {}) and is_object(new) then
        add_params(fields, old or {}, new)
      else
        add(fields, name, old, new)
      end
    end
  end
  return fields
end

return compare
