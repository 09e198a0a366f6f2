-- Exit codes, and how a command ends before its end.

local errors = require "bytenite.secrets.errors"

local exit = {
  OK = 0,
  OTHER = 1,
  USAGE = 2,
  CREDENTIAL = 3,
  NOT_FOUND = 4,
  REJECTED = 5,
  NETWORK = 6,
  SERVER = 7,
  FOUND = 8, -- what was asked for: changes, or something that expires
  INTERRUPTED = 130,
}

local CODES = {
  config = exit.USAGE,
  invalid = exit.USAGE,
  unauthorized = exit.CREDENTIAL,
  forbidden = exit.CREDENTIAL,
  not_found = exit.NOT_FOUND,
  rejected = exit.REJECTED,
  conflict = exit.REJECTED,
  network = exit.NETWORK,
  tls = exit.NETWORK,
  timeout = exit.NETWORK,
  protocol = exit.NETWORK,
  rate_limited = exit.SERVER,
  unavailable = exit.SERVER,
  server = exit.SERVER,
  cancelled = exit.INTERRUPTED,
  memory = exit.OTHER,
}

---@class bytenite.secrets.cli.Ending what is raised to end a command
---@field code integer
---@field message string?
---@field usage boolean? the command's usage helps
local Ending = {}

---@param value any
---@return boolean
function exit.is_ending(value)
  return type(value) == "table" and getmetatable(value) == Ending
end

---@param value any
---@return boolean whether it is what lua's own handler of Ctrl-C raises
function exit.is_interrupt(value)
  return type(value) == "string" and value:find("interrupted!$") ~= nil
end

---@param value any
---@return boolean whether Lua or a C module raises this when memory runs out
function exit.is_out_of_memory(value)
  return type(value) == "string"
    and (value:find("not enough memory$") or value:find("memory for buffer allocation$")) ~= nil
end

---Raises Ctrl-C and memory errors again after a pcall. Neither is a failure of the called function,
---and a caller that takes it for one goes on without the result.
---@param raised any
function exit.pass_on(raised)
  if exit.is_interrupt(raised) or exit.is_out_of_memory(raised) then error(raised, 0) end
end

---@param err bytenite.secrets.Error
---@return integer
function exit.code_of(err)
  return CODES[err.kind]
end

-- For whoever types commands, where the library speaks to programmers.
local HINTS = {
  unauthorized = "check BYTENITE_API_KEY, BYTENITE_API_KEY_FILE or BYTENITE_ACCESS_TOKEN",
  not_found = "bytenite-secrets list shows what there is",
  conflict = "look at what there is now, then decide anew",
  timeout = "check the network, or allow more time (BYTENITE_TIMEOUT, BYTENITE_DEADLINE)",
  network = "check the network and the proxy settings: bytenite-secrets doctor",
  tls = "check the machine's clock and the CA certificates: bytenite-secrets doctor",
}
local CREDENTIAL_HINT = "set BYTENITE_API_KEY or BYTENITE_API_KEY_FILE"
local FILE_HINT = "chmod 600"

local function hint_of(err)
  if err.message:find("read by others", 1, true) then return FILE_HINT end
  if err.kind == "config" and err.hint and err.hint:find("api_key", 1, true) then
    return CREDENTIAL_HINT
  end
  -- An Error with a hint of its own knows more than its kind.
  return err.hint == errors.usual_hint(err.kind) and HINTS[err.kind] or err.hint
end

-- Operations that nobody typed.
local INNER_OPS = {
  from_env = true, from_fd = true, from_file = true, from_prompt = true, new = true,
  validate = true,
}

---What happened.
---@param err bytenite.secrets.Error
---@return string
function exit.message_of(err)
  if not INNER_OPS[err.op] then return err.message end
  return err.message:sub(#err.op + #": " + 1)
end

---An Error in words for whoever typed the command.
---@param err bytenite.secrets.Error
---@return string
function exit.words_of(err)
  local lines = { exit.message_of(err) }
  if err.ambiguous then lines[#lines + 1] = "It may have been applied all the same." end
  local hint = hint_of(err)
  if hint then lines[#lines + 1] = "Next: " .. hint end
  if err.requestId then lines[#lines + 1] = "Request id: " .. err.requestId end
  return table.concat(lines, "\n  ")
end

---@param code integer
---@param message string?
---@return bytenite.secrets.cli.Ending
function exit.ending(code, message)
  -- os.exit takes nil for success.
  return setmetatable({ code = code or exit.OTHER, message = message }, Ending)
end

---Ends the command.
---@param code integer
---@param message string?
function exit.fail(code, message)
  error(exit.ending(code, message))
end

---Ends the command as a success, with nothing left to write.
function exit.done()
  error(exit.ending(exit.OK))
end

---Ends the command for what is wrong with its arguments.
---@param message string
function exit.usage(message)
  local ending = exit.ending(exit.USAGE, message)
  ending.usage = true
  error(ending)
end

---The value of a call, or the end of the command with the call's Error.
---@param value any
---@param err bytenite.secrets.Error?
---@return any value
function exit.check(value, err)
  if value == nil then exit.fail(exit.code_of(err), exit.words_of(err)) end
  return value
end

return exit
