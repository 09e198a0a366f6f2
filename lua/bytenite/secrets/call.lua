-- One call of the user: its deadline, its attempts, its retries and what they add up to.

local core = require "bytenite.secrets.core"
local failure = require "bytenite.secrets.call.failure"
local printable = require "bytenite.secrets.printable"
local retry = require "bytenite.secrets.call.retry"
local verdict = require "bytenite.secrets.call.verdict"

local Call = {}
Call.__index = Call

-- An attempt with less time than this would only fail.
local SHORTEST_ATTEMPT = 0.25

local HANDSHAKE_RETRIES = 1

-- The call --------------------------------------------------------------------------------------

---@class bytenite.secrets.Operation what a call does; one table for all calls of a kind
---@field send fun(core_client: table, call: table, seconds: number, start: true?): any, any one
--- exchange of the core, performed or, with start, only started
---@field writes boolean? the request changes something
---@field with_token boolean? it is sent with the access token
---@field check (fun(call: table): bytenite.secrets.Error?)? what keeps it from being sent; asked
--- before a token exchange, which would be for nothing
---@field absent (fun(call: table, facts: table): any, bytenite.secrets.Error?)? what a call returns
--- that gets 404 after an attempt that may have been applied, or at all with call.missing_ok

-- Besides what `new` and `start` set, a call has: secret and key, of a put; missing_ok, of a
-- delete; token, the number of the one that it is sent with, or authorized, with one that was
-- given; purpose, of exchanges that are not what the user asked for.

---@param client bytenite.secrets.Client
---@param waiting table how it waits, see call/waiting.lua
---@param verb string "put"
---@param secret_type string?
---@param id string? of the record that it is about
function Call.new(client, waiting, verb, secret_type, id)
  return setmetatable({
    client = client,
    waiting = waiting,
    verb = verb,
    secretType = secret_type,
    id = id,
    retried = 0,
    attempts = 0,
    sends = 0,
    ambiguous = false,
  }, Call)
end

---From now on the time counts.
---@param limits { timeout: number?, deadline: number?, retries: integer?, ends: number? } of this
--- call alone; ends is the monotonic time that it may not go beyond
---@return table call itself
function Call:start(limits)
  local values = self.client.settings.values
  local ends = core.monotonic() + (limits.deadline or values.deadline)
  self.timeout = limits.timeout or values.timeout
  self.retries = limits.retries or values.retries
  self.ends = limits.ends and math.min(ends, limits.ends) or ends
  return self
end

---@return table call a token exchange on behalf of this one
function Call:for_token()
  local exchange = Call.new(self.client, self.waiting, self.verb, self.secretType, self.id)
  exchange.timeout, exchange.retries, exchange.ends = self.timeout, self.retries, self.ends
  exchange.purpose = "getting an access token"
  return exchange
end

---@return string as Error.op
function Call:op()
  return self.id and printable.op(self.verb, self.secretType, self.id) or self.verb
end

---@return number seconds until the deadline
function Call:left()
  return self.ends - core.monotonic()
end

---@return bytenite.secrets.Error of a call that is not to go on
function Call:interrupted()
  return failure.new(self:op(), { reason = "cancelled" }, self)
end

---@return bytenite.secrets.Error of a call that has no time left
function Call:out_of_time()
  local facts = { reason = "deadline", detail = "the deadline of the call has passed" }
  return failure.new(self:op(), facts, self)
end

-- Events -----------------------------------------------------------------------------------------

local function notify(self, event)
  event.op = self:op()
  self.waiting:invoke(self.client.on_event, event)
end

local function listens(self)
  return self.client.on_event ~= nil
end

local function notify_attempt(self, started, facts)
  local event = { event = "attempt", attempt = self.attempts, ok = facts.reason == nil,
    sends = facts.sends, status = facts.status, seconds = core.monotonic() - started }
  if facts.verdict then event.kind = facts.verdict.kind end
  notify(self, event)
end

---Tells whoever listens of a new token.
function Call:notify_renewal(expires_in)
  if listens(self) then notify(self, { event = "renewal", expires_in = expires_in }) end
end

-- Attempts ---------------------------------------------------------------------------------------

-- Whether another attempt makes sense; waits for it if so.
local function wait_for_retry(self, facts)
  local allowed = self.retries
  if facts.verdict.handshake then allowed = math.min(allowed, HANDSHAKE_RETRIES) end
  if not facts.verdict.again or self.retried >= allowed then return false end
  local seconds = retry.time_to_wait(facts, self.retried)
  if not seconds or seconds + SHORTEST_ATTEMPT > self:left() then return false end
  if not retry.take_from(self.client.budget) then return false end
  self.retried = self.retried + 1
  if listens(self) then
    notify(self, { event = "retry", attempt = self.attempts, wait = seconds })
  end
  if not self.waiting:sleep(seconds) then
    facts.reason, facts.verdict = "cancelled", nil
    return false
  end
  return true
end

-- The core keeps the token and the key of an exchange out of the server's words; a server that
-- quotes the client's API key in answer to another request is left to us.
local function redact(self, facts)
  local credential = self.client.settings.credential.value
  if type(credential) == "function" then return end
  for _, name in ipairs { "description", "requestId" } do
    if facts[name] then facts[name] = core.redact(facts[name], credential) end
  end
end

-- One exchange that others may overtake: a value and the number of requests that it took, or nil
-- and facts.
local function exchange(self, operation, seconds)
  local core_client = self.client.core
  local pending, facts = operation.send(core_client, self, seconds, true)
  if not pending then return nil, facts end
  self.waiting:pause(core_client, pending)
  return core_client:collect(pending)
end

-- One attempt. What cannot be sent is none.
---@return any value
---@return table? facts of a failure
local function attempt(self, operation, now)
  local seconds, left = self.timeout, self.ends - now
  if left < seconds then seconds = left end
  local value, facts
  if self.waiting.blocks then
    value, facts = operation.send(self.client.core, self, seconds)
  else
    value, facts = exchange(self, operation, seconds)
  end
  if value == nil then
    facts.verdict = verdict.of(facts)
    if facts.verdict.kind == "invalid" then return nil, facts end
  end
  self.attempts = self.attempts + 1
  if value ~= nil then
    local sends = facts
    self.sends = self.sends + sends
    if listens(self) then notify_attempt(self, now, { sends = sends }) end
    return value
  end
  redact(self, facts)
  self.sends = self.sends + facts.sends
  -- libcurl may have sent twice by itself, of which the first may have been applied.
  if operation.writes and (facts.verdict.ambiguous or facts.sends > 1) then
    self.ambiguous = true
  end
  if listens(self) then notify_attempt(self, now, facts) end
  return nil, facts
end

-- The error of a token exchange, on behalf of the attempts before it.
local function on_behalf(self, err)
  err.attempts, err.sends = err.attempts + self.attempts, err.sends + self.sends
  err.ambiguous = self.ambiguous
  return err
end

-- True if a call may be done although its answer is a failure: its record may be gone, and that is
-- all it wants.
local function may_be_done(self, operation, facts)
  if not operation.absent or not (self.ambiguous or self.missing_ok) then return false end
  return facts.verdict.doubtful or facts.verdict.kind == "not_found"
end

---Makes attempts until one succeeds or no further one makes sense.
---@param operation bytenite.secrets.Operation
---@return any value
---@return bytenite.secrets.Error? err
function Call:run(operation)
  local client, with_token, renewed = self.client, operation.with_token, false
  self.retried, self.ambiguous = 0, false -- of this operation
  while true do
    if with_token then
      local ok, err = client.session:authorize(self, operation)
      if not ok then return nil, on_behalf(self, err) end
    end
    if self.waiting.interrupted then return nil, self:interrupted() end
    local now = core.monotonic()
    if now >= self.ends then return nil, self:out_of_time() end
    local value, facts = attempt(self, operation, now)
    if value == nil and may_be_done(self, operation, facts) then
      local err
      value, err = operation.absent(self, facts)
      if err then return nil, err end
    end
    if value ~= nil then
      retry.refund(client.budget, self.retried)
      return value
    end
    local again = false
    if with_token and not renewed and facts.verdict.kind == "unauthorized" then
      renewed = true
      local err
      again, err = client.session:renew(self)
      if err then return nil, on_behalf(self, err) end
    end
    if not again and not wait_for_retry(self, facts) then
      return nil, failure.new(self:op(), facts, self)
    end
  end
end

---Runs another operation in the middle of this call's own, within the same deadline. Its attempts
---and sends count as the call's.
---@param operation bytenite.secrets.Operation one that only reads
---@param purpose string
---@return any value
---@return bytenite.secrets.Error? err
function Call:run_nested(operation, purpose)
  local retried, ambiguous = self.retried, self.ambiguous
  self.purpose = purpose
  local value, err = self:run(operation)
  self.retried, self.ambiguous, self.purpose = retried, ambiguous, nil
  if err then err.ambiguous = ambiguous end
  return value, err
end

return Call
