-- The Error that every function returns in second position: what happened, what it means for the
-- data, what to do next. Never a secret.

local core = require "bytenite.secrets.core"

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
local SEVERAL = 3

local errors = {}

-- What each kind means and what helps. %s in a text is the status.
local TEXTS = {
  unauthorized = "not authenticated: the service does not accept this credential",
  forbidden = "the credential is valid, but has no permission for this",
  not_found = "there is no such secret",
  conflict = "the service reports a conflict with its current state",
  rejected = "the service refuses the request",
  rate_limited = "too many requests",
  unavailable = "the service is temporarily unavailable",
  server = "the service failed",
  timeout = "no answer in time",
  network = "no answer from the service",
  tls = "no trusted connection to the service",
  protocol = "the answer is not one of the Secrets API",
  memory = "not enough memory",
  cancelled = "interrupted before the answer came",
}

local HINTS = {
  unauthorized = "check the API key or access token (option api_key, BYTENITE_API_KEY, "
    .. "BYTENITE_ACCESS_TOKEN)",
  forbidden = "ask for permission to manage secrets, or use another API key",
  not_found = "check secretType and id; list() shows what there is",
  conflict = "look at what there is with list(), then decide anew",
  rejected = "look at what the service says, and at what was sent",
  rate_limited = "call less often, or later",
  unavailable = "try again later",
  server = "try again later; if it stays, report the request id to the service",
  timeout = "check the network and base_url, or allow more time (timeout, deadline)",
  network = "check the network, base_url and the proxy settings",
  tls = "check base_url, the machine's clock and the CA certificates (ca_file, ca_path)",
  protocol = "check that base_url is the ByteNite API, and not a proxy's or login page",
}

-- libcurl's codes (https://curl.se/libcurl/c/libcurl-errors.html); all others are "network".
local CURL_KINDS = {
  [1] = "protocol", -- an unsupported protocol in the answer
  [8] = "protocol", -- a header that is none
  [23] = "protocol",
  [28] = "timeout",
  [35] = "tls", -- the handshake failed without a verdict on the certificate
  [42] = "cancelled",
  [53] = "tls",
  [54] = "tls",
  [58] = "tls", -- the client's own certificate
  [59] = "tls",
  [60] = "tls", -- the server's certificate
  [61] = "protocol",
  [64] = "tls",
  [66] = "tls",
  [77] = "tls", -- no CA certificates
  [80] = "tls",
  [82] = "tls",
  [83] = "tls",
  [90] = "tls",
  [91] = "tls",
  [98] = "tls",
}
local CURL_HANDSHAKE = 35

local STATUS_KINDS = {
  [401] = "unauthorized",
  [403] = "forbidden",
  [404] = "not_found",
  [408] = "timeout",
  [409] = "conflict",
  [412] = "conflict",
  [429] = "rate_limited",
  [502] = "unavailable",
  [503] = "unavailable",
  [504] = "unavailable",
}

-- Under 200: HTTP's codes and gRPC's.
local REFUSAL_KINDS = {
  [401] = "unauthorized",
  [16] = "unauthorized",
  [403] = "forbidden",
  [7] = "forbidden",
  [404] = "not_found",
  [5] = "not_found",
}

local RETRYABLE_STATUS =
  { [408] = true, [429] = true, [500] = true, [502] = true, [503] = true, [504] = true }

local RETRYABLE_KINDS = { timeout = true, network = true, memory = true, cancelled = true }

-- Statuses after which a write may have been applied all the same.
local AMBIGUOUS_STATUS = { [500] = true, [502] = true, [504] = true }

local function kind_of_status(status)
  if STATUS_KINDS[status] then return STATUS_KINDS[status] end
  if status >= 400 and status < 500 then return "rejected" end
  if status >= 500 and status < 600 then return "server" end
  return "protocol"
end

---True if a failure says "not found" in words that are not the service's own. A router, a proxy or
---a web firewall may have written them, so they tell nothing about a secret.
---@param facts table
---@return boolean
function errors.is_doubtful(facts)
  local kind
  if facts.reason == "status" then kind = STATUS_KINDS[facts.status] end
  if facts.reason == "refused" then kind = REFUSAL_KINDS[facts.code] end
  return kind == "not_found" and facts.words == nil
end

---What a failed exchange's facts (see answer.h in the sources) amount to.
---@param facts table
---@return bytenite.secrets.ErrorKind kind
---@return boolean retryable
---@return boolean ambiguous for a write
function errors.classify(facts)
  local reason, sent = facts.reason, (facts.sends or 0) > 0
  if errors.is_doubtful(facts) then
    return "protocol", false, false
  elseif reason == "status" then
    local status = facts.status
    return kind_of_status(status), RETRYABLE_STATUS[status] or false,
      AMBIGUOUS_STATUS[status] or status < 200 or status > 599
  elseif reason == "refused" then
    return REFUSAL_KINDS[facts.code] or "rejected", false, false
  elseif reason == "invalid" then
    return "invalid", false, false
  elseif reason == "deadline" then
    return "timeout", true, false
  elseif reason == "incomplete" then
    return "protocol", true, true
  elseif reason == "memory" or reason == "cancelled" then
    return reason, RETRYABLE_KINDS[reason], sent
  elseif reason == "curl" then
    local kind = CURL_KINDS[facts.curl] or "network"
    -- The first of two sends may have gone to a server that died before the second could.
    if kind == "tls" then return kind, errors.is_handshake(facts), sent end
    return kind, RETRYABLE_KINDS[kind] or false, sent
  end
  return "protocol", false, true -- a whole answer of the wrong form, or too large a one
end

-- A character that takes several bytes, or bytes that are none.
local function clean_character(bytes)
  local first = bytes:byte()
  local length = first < 0xC2 and 0 or first < 0xE0 and 2 or first < 0xF0 and 3 or 4
  if #bytes ~= length or first > 0xF4 then return "?" end
end

---Whether a TLS handshake failed without a verdict on the certificate.
---@param facts table
---@return boolean
function errors.is_handshake(facts)
  return facts.reason == "curl" and facts.curl == CURL_HANDSHAKE
end

---Whether a call should try once more by itself.
---@param facts table
---@return boolean
function errors.is_worth_retrying(facts)
  local kind, retryable = errors.classify(facts)
  return retryable and kind ~= "memory" and kind ~= "cancelled"
end

---Makes text from outside fit for one line on a terminal: UTF-8 without control characters, line
---separators and what changes the direction of text.
---@param text any
---@return string
function errors.clean(text)
  text = tostring(text):gsub("[\128-\255][\128-\191]*", clean_character):gsub("[%c\127]+", " ")
    :gsub("\194[\128-\159]", " "):gsub("\226\128[\168-\174]", " ")
    :gsub("\226\129[\166-\169]", " ")
  return text
end

---Cuts at a character's border, so that no half of one is left.
---@param text string
---@param most integer bytes
---@return string
function errors.shorten(text, most)
  if #text <= most then return text end
  local cut = most - 3
  while cut > 0 and text:byte(cut + 1) >= 0x80 and text:byte(cut + 1) < 0xC0 do
    cut = cut - 1
  end
  return text:sub(1, cut) .. "..."
end

---The first few of some texts, and how many more there are.
---@param texts string[]
---@param separator string
---@return string
function errors.several(texts, separator)
  if #texts <= SEVERAL then return table.concat(texts, separator) end
  return ("%s%sand %d more"):format(table.concat(texts, separator, 1, SEVERAL), separator,
    #texts - SEVERAL)
end

---The hint of an Error that has no better one.
---@param kind bytenite.secrets.ErrorKind
---@return string?
function errors.usual_hint(kind)
  return HINTS[kind]
end

---Makes an Error of fields; what is missing gets its default.
---@param fields table kind, op, message (what happened), and where known the others
---@return bytenite.secrets.Error
function errors.new(fields)
  fields.attempts = fields.attempts or 0
  fields.sends = fields.sends or 0
  fields.retryable = fields.retryable or false
  fields.ambiguous = fields.ambiguous or false
  fields.hint = fields.hint or HINTS[fields.kind]
  local text = fields.op == nil and fields.message or fields.op .. ": " .. fields.message
  fields.message = errors.shorten(errors.clean(text), MESSAGE_MAX)
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

-- Only a delete names a secret that the service looks up.
local function is_misdirected(kind, facts, totals)
  return errors.is_doubtful(facts)
    or kind == "not_found" and (totals.verb ~= "delete" or totals.purpose ~= nil)
end

-- The parts of an Error's message that stand in parentheses.
local function details_of(facts)
  local details = {}
  if facts.reason == "status" then
    details[1] = ("HTTP %d"):format(facts.status)
  elseif facts.detail then
    details[1] = errors.clean(facts.detail)
  elseif facts.reason == "refused" and facts.code then
    details[1] = ("code %d"):format(facts.code)
  end
  details[#details + 1] = facts.finding
  return details
end

-- The sentence of an error that an exchange's facts tell of.
local function describe(kind, facts, totals)
  if kind == "invalid" then return facts.field .. " " .. facts.detail end
  local text = TEXTS[kind]
  if is_misdirected(kind, facts, totals) then text = "the service has nothing at this address" end
  if facts.reason == "incomplete" or (kind == "network" and facts.status) then
    text = "the answer broke off"
  end
  if totals.purpose then text = totals.purpose .. ": " .. text end
  local details = details_of(facts)
  if #details > 0 then
    text = ("%s (%s)"):format(text, table.concat(details, "; "))
  elseif facts.reason == "refused" and not facts.description then
    text = text .. " and does not say why"
  end
  if facts.description then text = text .. ": " .. errors.clean(facts.description) end
  return text
end

-- What to do next, where the kind alone does not say it.
local function hint_of(kind, facts, totals)
  if is_misdirected(kind, facts, totals) then return HINTS.protocol end
  if facts.reason == "limit" then
    return "ask for less with a filter, or allow more with max_response_bytes"
  end
  if facts.retry_after then return ("try again in %d s"):format(facts.retry_after) end
end

---Makes an Error of a failed exchange's facts.
---@param op string
---@param facts table of answer.h; finding: words on what was found out after the exchange
---@param totals { attempts: integer, sends: integer, ambiguous: boolean?, verb: string?,
--- purpose: string? } a call; purpose: what the exchange is for, where op does not say it
---@return bytenite.secrets.Error
function errors.from_facts(op, facts, totals)
  local kind, retryable = errors.classify(facts)
  return errors.new {
    kind = kind,
    op = op,
    message = describe(kind, facts, totals),
    hint = hint_of(kind, facts, totals),
    status = facts.status,
    code = facts.code,
    description = facts.description and errors.clean(facts.description),
    requestId = facts.requestId and errors.clean(facts.requestId),
    retryable = retryable,
    ambiguous = totals.ambiguous,
    attempts = totals.attempts,
    sends = totals.sends,
    retry_after = facts.retry_after,
    cause = facts.curl and ("curl %d: %s"):format(facts.curl, errors.clean(facts.detail)),
  }
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

---The address of a record, fit to be shown. Ids of any form come here.
---@param secret_type string
---@param id string
---@return string
function errors.address(secret_type, id)
  local address = secret_type .. "/" .. id
  if #address <= MESSAGE_MAX / 2 and core.is_printable(address) then return address end
  address = errors.clean(address)
  if not core.check_segment(secret_type) or not core.check_segment(id) then
    address = (secret_type .. "/" .. id):gsub("[^ -~]", "?")
  end
  return errors.shorten(address, MESSAGE_MAX / 2)
end

---The name of an operation on a record, as Error.op has it.
---@param verb string
---@param secret_type string
---@param id string
---@return string
function errors.op(verb, secret_type, id)
  return verb .. " " .. errors.address(secret_type, id)
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
