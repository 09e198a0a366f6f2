-- The access token of one client: where it comes from, when it is renewed. Calls that wait at the
-- same time share one renewal.

local core = require "bytenite.secrets.core"
local credential = require "bytenite.secrets.config.credential"
local errors = require "bytenite.secrets.errors"
local failure = require "bytenite.secrets.call.failure"
local operations = require "bytenite.secrets.operations"

local Session = {}
Session.__index = Session

local LEEWAY = 60 -- seconds before its end that a token is renewed, at most
local LEEWAY_SHARE = 0.1 -- of its life
local REST = 5 -- seconds that a refused key is not tried again
local LOOK = 1 -- seconds until a call looks whether the renewal that it waits for was given up

---@param source bytenite.secrets.CredentialSource
function Session.new(source)
  return setmetatable({
    source = source,
    given = nil, -- the core that has the token, when there will be no other
    token = 0, -- how many there have been
    renew_at = nil, -- monotonic seconds; nil while there is no token
    ends = nil, -- of the token's life
    refused = nil, -- the Error of a refused key, until `rest_ends`
    rest_ends = nil,
    renewals = {}, -- exchanges under way that other calls may wait for, the newest last
  }, Session)
end

-- A token that was given -------------------------------------------------------------------------

local function take_given_token(self, call)
  if self.given == call.client.core then return true end
  local token, err = credential.ask(call, self.source.value, self.source.name)
  if not token then return nil, err end
  local core_client = call.client.core -- which asking may have closed
  local ok, facts = core_client:authorize(token, self.source.trim)
  if not ok then return nil, failure.new(call:op(), facts, { attempts = 0, sends = 0 }) end
  if self.source.constant then self.given = core_client end
  return true
end

-- A token for an API key -------------------------------------------------------------------------

local function plan_renewal(self, lifetime)
  local leeway = math.min(LEEWAY, LEEWAY_SHARE * lifetime) * (0.5 + core.random() / 2)
  self.token = self.token + 1
  self.ends = core.monotonic() + lifetime
  self.renew_at = self.ends - leeway
end

local function exchange(self, call)
  self.refused = nil
  local key, err = credential.ask(call, self.source.value, self.source.name)
  if not key then return nil, err end
  local answer
  call.key = key
  answer, err = call:run(operations.exchange)
  if not answer then
    if err.kind == "unauthorized" or err.kind == "forbidden" then
      self.refused, self.rest_ends = errors.again(err, call:op()), core.monotonic() + REST
    end
    return nil, err
  end
  plan_renewal(self, answer.expiresIn)
  call:notify_renewal(answer.expiresIn)
  return answer
end

-- Sharing it -------------------------------------------------------------------------------------

local WEAK = { __mode = "v" }

-- The coroutine that drives a renewal is not kept from being collected: then nobody will end it.
local function begin_renewal(self, call)
  local waiting = call.waiting
  local renewal = {
    owner = setmetatable({ waiting = waiting, driver = waiting:driver() }, WEAK),
    ends = call.ends,
    retries = call.retries,
    signals = setmetatable({}, WEAK),
  }
  table.insert(self.renewals, renewal)
  return renewal
end

local function end_renewal(self, renewal, err)
  renewal.over, renewal.err = true, err
  for index, other in ipairs(self.renewals) do
    if other == renewal then table.remove(self.renewals, index) end
  end
  for _, signal in pairs(renewal.signals) do
    signal:set()
  end
end

---Ends the renewals that calls of this waiting have begun and cannot finish.
function Session:abandon(waiting)
  for index = #self.renewals, 1, -1 do
    local renewal = self.renewals[index]
    if renewal.owner.waiting == waiting then end_renewal(self, renewal) end
  end
end

---Exchanges the key for a token, for all calls that wait for one.
---@return table? answer { expiresIn, scope }
---@return bytenite.secrets.Error?
function Session:exchange(call)
  if call.waiting.blocks then return exchange(self, call) end
  local renewal = begin_renewal(self, call)
  local ok, answer, err = call.waiting:protect(exchange, self, call)
  end_renewal(self, renewal, err)
  if not ok then error(answer, 0) end
  return answer, err
end

-- Whether nobody will end it: its coroutine is gone, or its deadline.
local function is_given_up(renewal)
  return renewal.owner.driver == nil or core.monotonic() > renewal.ends + LOOK
end

-- The newest renewal that a call may wait for.
local function find_renewal(self, call)
  for index = #self.renewals, 1, -1 do
    local renewal = self.renewals[index]
    if is_given_up(renewal) then
      end_renewal(self, renewal)
    elseif call.waiting:may_await(renewal.owner) then
      return renewal
    end
  end
end

-- Waits until the renewal of another call is over, or nothing more is to be expected of it. True,
-- or nil and an Error when memory is short, this call was interrupted, or the client closed.
local function await(call, renewal)
  local core_client, attempt = call.client.core, call:for_token()
  local signal, facts = core_client:signal()
  if not signal then return nil, failure.new(attempt:op(), facts, attempt) end
  table.insert(renewal.signals, signal)
  while not signal:done() and call:left() > 0 and not is_given_up(renewal) do
    call.waiting:pause(core_client, signal, math.min(LOOK, call:left()))
  end
  local interrupted = signal:done() and not renewal.over
  signal:cancel()
  if interrupted then return nil, attempt:interrupted() end
  return true
end

-- What of the failure of one call's renewal holds for another: not that it was interrupted, or had
-- less time or fewer retries.
local function is_shared(renewal, call)
  local err = renewal.err
  if not err or err.kind == "cancelled" or err.kind == "timeout" then return false end
  return not err.retryable or renewal.retries >= call.retries
end

-- A token that is newer than `token`: from a renewal under way, or from one of its own, unless the
-- key was refused a moment ago.
---@return true?
---@return bytenite.secrets.Error?
local function newer_token(self, call, token)
  local renewal = find_renewal(self, call)
  while renewal do
    local over, err = await(call, renewal)
    if not over then return nil, err end
    if self.token > token then return true end
    if is_shared(renewal, call) then return nil, errors.again(renewal.err, call:op()) end
    if call:left() <= 0 then return nil, call:for_token():out_of_time() end
    renewal = find_renewal(self, call)
  end
  if self.refused and core.monotonic() < self.rest_ends then
    return nil, errors.again(self.refused, call:op())
  end
  local answer, err = self:exchange(call:for_token())
  return answer and true, err
end

-- What a call needs of it ------------------------------------------------------------------------

---Sees to it that the core has a token for the next attempt of a call.
---@param call table
---@param operation bytenite.secrets.Operation
---@return true?
---@return bytenite.secrets.Error?
function Session:authorize(call, operation)
  if self.source.kind == "access_token" then
    if call.authorized then return true end
    call.authorized = true
    return take_given_token(self, call)
  end
  local now = core.monotonic()
  if not self.renew_at or now >= self.renew_at then
    local err = operation.check and operation.check(call)
    if err then return nil, err end
    local ok
    ok, err = newer_token(self, call, self.token)
    if not ok and (err.kind == "cancelled" or not self:lives()) then return nil, err end
    if not ok then self.renew_at = core.monotonic() + REST end -- the old one will do until then
  end
  call.token = self.token
  return true
end

---@return boolean whether there is a token whose time is not up
function Session:lives()
  return self.renew_at ~= nil and core.monotonic() < self.ends
end

---After a 401: whether another token can be had, so that one more attempt makes sense.
---@return boolean
---@return bytenite.secrets.Error?
function Session:renew(call)
  if self.source.kind == "access_token" then
    call.authorized = type(self.source.value) ~= "function"
    return not call.authorized
  end
  if self.token > call.token then return true end -- another call had the same answer
  self.renew_at = nil
  local ok, err = newer_token(self, call, call.token)
  return ok or false, err
end

return Session
