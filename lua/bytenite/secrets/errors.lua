-- The Error that every function returns in second position: what happened, what it means for the
-- data, what to do next. Never a secret.

local kinds = require "bytenite.secrets.errors.kinds"
local printable = require "bytenite.secrets.printable"

---@alias bytenite.secrets.ErrorKind
---| "config" no usable setting or credential
---| "invalid" a value that cannot be sent; nothing was sent
---| "unauthorized" 401
---| "forbidden" 403
---| "not_found" 404, in the service's own words
---| "conflict" 409, 412, or a plan gone stale
---| "rejected" any other 4xx, or a 200 that says it failed
---| "rate_limited" 429
---| "unavailable" 502, 503, 504
---| "server" any other 5xx
---| "timeout" the time was up, or 408
---| "network" no connection, or one that broke
---| "tls" no trusted encrypted connection
---| "protocol" an answer that is none of the service
---| "memory" not enough
---| "cancelled" interrupted, or never started

---@class bytenite.secrets.Error
---@field kind bytenite.secrets.ErrorKind
---@field message string one line for people, at most 512 bytes
---@field op string what was attempted, such as "put s3/my-key"
---@field status integer? HTTP status of the answer
---@field code integer? error code in the answer's body
---@field description string? the server's own words
---@field requestId string? for the support of the service
---@field retryable boolean the same call may work later
---@field ambiguous boolean a write may have been applied
---@field attempts integer tries made, replays included
---@field sends integer requests that left this machine
---@field retry_after number? seconds that the server asks to wait
---@field hint string? what to do next
---@field cause string? the library's own text, such as "curl 60: ..."
local metatable = { __name = "bytenite.secrets.Error" }

local MESSAGE_MAX = 512

local errors = {}

---The hint of an Error that has no better one.
---@param kind bytenite.secrets.ErrorKind
---@return string?
function errors.usual_hint(kind)
  return kinds[kind].hint
end

---Makes an Error of fields; what is missing gets its default.
---@param fields table kind, op, message (what happened), and where known the others
---@return bytenite.secrets.Error
function errors.new(fields)
  fields.attempts = fields.attempts or 0
  fields.sends = fields.sends or 0
  fields.retryable = fields.retryable or false
  fields.ambiguous = fields.ambiguous or false
  fields.hint = fields.hint or kinds[fields.kind].hint
  local text = fields.op == nil and fields.message or fields.op .. ": " .. fields.message
  fields.message = printable.shorten(printable.clean(text), MESSAGE_MAX)
  return setmetatable(fields, metatable)
end

---The kind of a problem that the core tells of in words: the one given, or memory.
---@param problem string
---@param kind bytenite.secrets.ErrorKind
---@return bytenite.secrets.ErrorKind
function errors.kind_of_problem(problem, kind)
  return problem:find("memory is short", 1, true) and "memory" or kind
end

---An Error of kind config, from secrets.new.
---@param text string
---@param hint string?
---@return bytenite.secrets.Error
function errors.config(text, hint)
  local kind = errors.kind_of_problem(text, "config")
  return errors.new { kind = kind, op = "new", message = text, hint = hint }
end

---The same error for another call, which did not get as far as an attempt.
---@param err bytenite.secrets.Error
---@param op string
---@return bytenite.secrets.Error
function errors.again(err, op)
  local copy = {}
  for name, value in pairs(err) do
    copy[name] = value
  end
  copy.message = err.message:sub(#err.op + 3)
  copy.op, copy.attempts, copy.sends, copy.ambiguous = op, 0, 0, false
  return errors.new(copy)
end

---Whether a value is an Error of this module.
---@param value any
---@return boolean
function errors.is_error(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

function metatable:__tostring()
  local text = "bytenite.secrets: " .. self.message:gsub("([^.])%.$", "%1")
  if self.ambiguous then text = text .. ". It may have been applied all the same" end
  if self.hint then text = text .. ". Next: " .. self.hint end
  return text
end

function metatable.__concat(left, right)
  return tostring(left) .. tostring(right)
end

return errors
