-- Checks of what callers pass. Misuse raises a string that names the argument, field or option; the
-- level is that of the user's own line.

local core = require "bytenite.secrets.core"

local arguments = {}

-- Levels above these functions: the check itself, the public function, the user's line.
local USER = 3

---Raises on behalf of a public function that calls this directly.
---@param text string
---@param level integer? 0 when a public function calls, 1 for each function in between
function arguments.misuse(text, level)
  error(text, USER + (level or 0))
end

---@param value any
---@return string word such as "a table" or "nil"
function arguments.type_name(value)
  if core.is_secret_string(value) then return "SecretString" end
  return type(value)
end

---Raises unless the value is of the wanted type.
---@param value any
---@param wanted string as type() names it
---@param name string of the argument, with its function: "list: filter"
---@param level integer? as in misuse
function arguments.check_type(value, wanted, name, level)
  if type(value) == wanted then return end
  arguments.misuse(("%s: %s expected, got %s"):format(name, wanted, arguments.type_name(value)),
    (level or 0) + 1)
end

---Raises when there are more arguments than the function takes.
---@param name string of the function
function arguments.no_more(name, ...)
  if select("#", ...) > 0 then arguments.misuse(name .. ": too many arguments", 1) end
end

local NONE = setmetatable({}, { __newindex = error })

local function sorted_names(checks)
  local names = {}
  for name in pairs(checks) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

---Raises unless `options` is nil or a table that has only known options, each accepted by its
---check: a function that returns nil, or what the value must be and, where it may be shown, what
---it is.
---@param options table?
---@param checks table<string, fun(value: any): string?, string?>
---@param name string of the function
---@param level integer? as in misuse
---@return table options never nil
function arguments.options(options, checks, name, level)
  if options == nil then return NONE end
  level = (level or 0) + 1
  arguments.check_type(options, "table", name .. ": options", level)
  for option, value in pairs(options) do
    local check = checks[option]
    if not check then
      arguments.misuse(("%s: unknown option %q (there are %s)"):format(name, tostring(option),
        sorted_names(checks)), level)
    end
    local wanted, got = check(value)
    if wanted then
      arguments.misuse(("%s: option %s: %s expected, got %s"):format(name, option, wanted,
        got or arguments.type_name(value)), level)
    end
  end
  return options
end

-- Checks for arguments.options ------------------------------------------------------------------

local function number_text(value)
  return type(value) == "number" and tostring(value) or nil
end

---@param wanted string as type() names it
---@return fun(value: any): string?
function arguments.of_type(wanted)
  return function(value)
    if type(value) ~= wanted then return wanted end
  end
end

---@return fun(value: any): string?, string? for seconds over 0, up to an hour
function arguments.seconds()
  return function(value)
    if type(value) ~= "number" or not (value > 0 and value <= 3600) then
      return "a number of seconds over 0, up to 3600,", number_text(value)
    end
  end
end

---@param least integer
---@param most integer
---@return fun(value: any): string?, string? for whole numbers
function arguments.whole(least, most)
  return function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < least or value > most then
      return ("a whole number from %d to %d"):format(least, most), number_text(value)
    end
  end
end

---@return fun(value: any): string? for what a credential may be given as
function arguments.credential()
  return function(value)
    if type(value) == "string" or type(value) == "function" or core.is_secret_string(value) then
      return nil
    end
    return "string, SecretString or function"
  end
end

return arguments
