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

---@param op string as Error.op
---@param settings bytenite.secrets.Settings
---@param limits { timeout: number?, deadline: number?, retries: integer? } of this call alone
---@param budget { left: number } of the client
function Call.new(op, settings, limits, budget)
  local values = settings.values
  return setmetatable({
    op = op,
    timeout = limits.timeout or values.timeout,
    ends = core.monotonic() + (limits.deadline or values.deadline),
    retries = limits.retries or values.retries,
    budget = budget,
    credential = settings.credential.value,
    on_event = values.on_event,
    attempts = 0, -- with the access token, so far
    sends = 0,
  }, Call)
end

---@return number seconds until the deadline
function Call:left()
  return self.ends - core.monotonic()
end

local function notify(self, event)
  if self.on_event then
    event.op = self.op
    self.on_event(event)
  end
end

-- What one series of attempts has come to. A token exchange within a call is a series of its own.
local function new_series(self, options)
  local exchange = options.authorize == nil
  return {
    attempts = exchange and 0 or self.attempts,
    sends = exchange and 0 or self.sends,
    retries = 0,
    ambiguous = false,
    of_record = options.absent ~= nil,
    purpose = options.purpose,
  }
end

local function out_of_time(self, series)
  local facts = { reason = "deadline", detail = "the deadline of the call has passed" }
  return errors.from_facts(self.op, facts, series)
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
  if not take_from(self.budget) then return false end
  series.retries = series.retries + 1
  notify(self, { event = "retry", attempt = series.attempts, wait = seconds })
  if not core.sleep(seconds) then
    facts.reason = "cancelled"
    return false
  end
  return true
end

-- The core keeps the token and the key of an exchange out of the server's words; a server that
-- quotes the client's API key in answer to another request is left to us.
local function redact(self, facts)
  if type(self.credential) == "function" then return end
  for _, name in ipairs { "description", "requestId" } do
    if facts[name] then facts[name] = core.redact(facts[name], self.credential) end
  end
end

-- One attempt; its facts are added to the series. What cannot be sent is none.
local function attempt(self, series, send, writes)
  local started = core.monotonic()
  local value, facts = send(math.min(self.timeout, self.ends - started))
  if value == nil and facts.reason == "invalid" then return nil, facts, "invalid" end
  series.attempts = series.attempts + 1
  if value ~= nil then
    local sends = facts
    series.sends = series.sends + sends
    notify(self, { event = "attempt", attempt = series.attempts, ok = true, sends = sends,
      seconds = core.monotonic() - started })
    return value
  end
  redact(self, facts)
  local kind, _, ambiguous = errors.classify(facts)
  series.sends = series.sends + facts.sends
  -- libcurl may have sent twice by itself, of which the first may have been applied.
  if writes and (ambiguous or facts.sends > 1) then series.ambiguous = true end
  notify(self, { event = "attempt", attempt = series.attempts, ok = false, kind = kind,
    status = facts.status, sends = facts.sends, seconds = core.monotonic() - started })
  return nil, facts, kind
end

---Makes attempts until one succeeds or no further one makes sense.
---@param send fun(seconds: number): any, integer|table one exchange: a value and the number of
--- requests that it took, or nil and facts
---@param options { writes: boolean?, authorize: (fun(): true?, bytenite.secrets.Error?)?,
--- renew: (fun(): boolean?, bytenite.secrets.Error?)?, absent: (fun(facts: table): any)?,
--- missing_ok: boolean?, purpose: string? }
--- writes: the request changes something; authorize: called before each attempt; renew: called
--- after the first 401, true asks for one more attempt; absent: the value of a call that gets 404
--- after an attempt that may have been applied, or at all with missing_ok; purpose: for messages
---@return any value
---@return bytenite.secrets.Error? err
function Call:run(send, options)
  local series = new_series(self, options)
  local renewed = false
  while true do
    if options.authorize then
      local ok, err = options.authorize()
      if not ok then return nil, of_series(err, series) end
    end
    if self:left() <= 0 then return nil, out_of_time(self, series) end
    local value, facts, kind = attempt(self, series, send, options.writes)
    if options.authorize then self.attempts, self.sends = series.attempts, series.sends end
    if value ~= nil then
      refund(self.budget, series.retries)
      return value
    end
    if kind == "not_found" and options.absent and (series.ambiguous or options.missing_ok) then
      refund(self.budget, series.retries)
      return options.absent(facts)
    end
    local again = false
    if kind == "unauthorized" and options.renew and not renewed then
      renewed = true
      local err
      again, err = options.renew()
      if err then return nil, of_series(err, series) end
    end
    if not again and not wait_for_retry(self, series, facts) then
      return nil, errors.from_facts(self.op, facts, series)
    end
  end
end

Call.notify = notify

return Call
