-- One call of the user: its deadline, its attempts, its retries and what they add up to.

local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"

local Call = {}
Call.__index = Call

-- An attempt with less time than this would only fail.
local SHORTEST_ATTEMPT = 0.25
local LONGEST_RETRY_AFTER = 10

local HANDSHAKE_RETRIES = 1

-- Retry budget ----------------------------------------------------------------------------------

-- Keeps an outage from being multiplied: once the budget of a client is spent, its calls fail
-- after one attempt each, until calls succeed again.
local BUDGET = 50
local COST = 5

---@return { left: number }
function Call.budget()
  return { left = BUDGET }
end

local function take_from(budget)
  if budget.left < COST then return false end
  budget.left = budget.left - COST
  return true
end

local function refund(budget, retries)
  budget.left = math.min(BUDGET, budget.left + math.max(1, COST * retries))
end

-- Waiting ---------------------------------------------------------------------------------------

-- Full jitter: clients that failed together do not come back together.
local function backoff(facts, retries)
  local throttled = facts.status == 429 or facts.status == 503
  local longest = throttled and math.min(5, 2 ^ retries) or math.min(2, 0.2 * 2 ^ retries)
  return core.random() * longest
end

---@return number? seconds nil when the server asks for more than a call can wait
local function time_to_wait(facts, retries)
  if not facts.retry_after then return backoff(facts, retries) end
  if facts.retry_after > LONGEST_RETRY_AFTER then return nil end
  return facts.retry_after
end

-- The call --------------------------------------------------------------------------------------

---@class bytenite.secrets.Operation what a call does; one table for all calls of a kind
---@field send fun(core_client: table, call: table, seconds: number, start: true?): any, any one
--- exchange of the core, performed or, with start, only started
---@field writes boolean? the request changes something
---@field with_token boolean? it is sent with the access token
---@field check (fun(call: table): bytenite.secrets.Error?)? what keeps it from being sent; asked
--- before a token exchange, which would be for nothing
---@field absent (fun(facts: table): any)? the value of a call that gets 404 after an attempt that
--- may have been applied, or at all with call.missing_ok

---@param client bytenite.secrets.Client
---@param op string as Error.op
---@param limits { timeout: number?, deadline: number?, retries: integer?, ends: number? } of this
--- call alone; ends is the monotonic time that it may not go beyond
---@param waiting table how it waits, see waiting.lua
function Call.new(client, op, limits, waiting)
  local values = client.settings.values
  local ends = core.monotonic() + (limits.deadline or values.deadline)
  return setmetatable({
    client = client,
    op = op,
    waiting = waiting,
    timeout = limits.timeout or values.timeout,
    ends = limits.ends and math.min(limits.ends, ends) or ends,
    retries = limits.retries or values.retries,
    attempts = 0, -- with the access token, so far
    sends = 0,
  }, Call)
end

---@return number seconds until the deadline
function Call:left()
  return self.ends - core.monotonic()
end

---Tells whoever listens of an event.
function Call:notify(event)
  local on_event = self.client.settings.values.on_event
  if on_event then
    event.op = self.op
    self.waiting:invoke(on_event, event)
  end
end

-- What one series of attempts has come to. A token exchange within a call is a series of its own.
local function new_series(self, operation)
  local of_call = operation.with_token
  return {
    attempts = of_call and self.attempts or 0,
    sends = of_call and self.sends or 0,
    retries = 0,
    ambiguous = false,
    of_record = operation.absent ~= nil,
    purpose = not of_call and self.op ~= "authenticate" and "getting an access token" or nil,
  }
end

---The error of a call that has no time left.
---@param series table? what its attempts have come to
---@return bytenite.secrets.Error
function Call:out_of_time(series)
  local facts = { reason = "deadline", detail = "the deadline of the call has passed" }
  return errors.from_facts(self.op, facts, series or { attempts = 0, sends = 0 })
end

-- The error of a token exchange, on behalf of the attempts before it.
local function of_series(err, series)
  err.attempts, err.sends = err.attempts + series.attempts, err.sends + series.sends
  err.ambiguous = series.ambiguous
  return err
end

-- Whether another attempt makes sense; waits for it if so.
local function wait_for_retry(self, series, facts)
  local allowed = self.retries
  if errors.is_handshake(facts) then allowed = math.min(allowed, HANDSHAKE_RETRIES) end
  if not errors.is_worth_retrying(facts) or series.retries >= allowed then return false end
  local seconds = time_to_wait(facts, series.retries)
  if not seconds or seconds + SHORTEST_ATTEMPT > self:left() then return false end
  if not take_from(self.client.budget) then return false end
  series.retries = series.retries + 1
  self:notify { event = "retry", attempt = series.attempts, wait = seconds }
  if not self.waiting:sleep(seconds) then
    facts.reason = "cancelled"
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

-- One exchange: a value and the number of requests that it took, or nil and facts.
local function exchange(self, operation, seconds)
  local core_client = self.client.core
  if self.waiting.blocks then return operation.send(core_client, self, seconds) end
  local pending, facts = operation.send(core_client, self, seconds, true)
  if not pending then return nil, facts end
  self.waiting:pause(core_client, pending)
  return core_client:collect(pending)
end

-- One attempt; its facts are added to the series. What cannot be sent is none.
local function attempt(self, series, operation)
  local started = core.monotonic()
  local value, facts = exchange(self, operation, math.min(self.timeout, self.ends - started))
  if value == nil and facts.reason == "invalid" then return nil, facts, "invalid" end
  series.attempts = series.attempts + 1
  if value ~= nil then
    local sends = facts
    series.sends = series.sends + sends
    self:notify { event = "attempt", attempt = series.attempts, ok = true, sends = sends,
      seconds = core.monotonic() - started }
    return value
  end
  redact(self, facts)
  local kind, _, ambiguous = errors.classify(facts)
  series.sends = series.sends + facts.sends
  -- libcurl may have sent twice by itself, of which the first may have been applied.
  if operation.writes and (ambiguous or facts.sends > 1) then series.ambiguous = true end
  self:notify { event = "attempt", attempt = series.attempts, ok = false, kind = kind,
    status = facts.status, sends = facts.sends, seconds = core.monotonic() - started }
  return nil, facts, kind
end

---Makes attempts until one succeeds or no further one makes sense.
---@param operation bytenite.secrets.Operation
---@return any value
---@return bytenite.secrets.Error? err
function Call:run(operation)
  local series = new_series(self, operation)
  local client, with_token, renewed = self.client, operation.with_token, false
  while true do
    if with_token then
      local ok, err = client.session:authorize(self, operation)
      if not ok then return nil, of_series(err, series) end
    end
    if self:left() <= 0 then return nil, self:out_of_time(series) end
    local value, facts, kind = attempt(self, series, operation)
    if with_token then self.attempts, self.sends = series.attempts, series.sends end
    if value ~= nil then
      refund(client.budget, series.retries)
      return value
    end
    if kind == "not_found" and operation.absent and (series.ambiguous or self.missing_ok) then
      refund(client.budget, series.retries)
      return operation.absent(facts)
    end
    local again = false
    if kind == "unauthorized" and with_token and not renewed then
      renewed = true
      local err
      again, err = client.session:renew(self)
      if err then return nil, of_series(err, series) end
    end
    if not again and not wait_for_retry(self, series, facts) then
      return nil, errors.from_facts(self.op, facts, series)
    end
  end
end

return Call
