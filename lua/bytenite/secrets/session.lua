-- The access token of one client: where it comes from, when it is renewed.

local core = require "bytenite.secrets.core"
local credential = require "bytenite.secrets.credential"
local errors = require "bytenite.secrets.errors"

local Session = {}
Session.__index = Session

local LEEWAY = 60 -- seconds before its end that a token is renewed, at most
local LEEWAY_SHARE = 0.1 -- of its life
local REST = 5 -- seconds that a refused key is not tried again

---@param core_client table
---@param source bytenite.secrets.CredentialSource
function Session.new(core_client, source)
  return setmetatable({
    core = core_client,
    source = source,
    renew_at = nil, -- monotonic seconds; nil while there is no token
    ends = nil, -- of the token's life
    refused = nil, -- the Error of a refused key, until `rest_ends`
    rest_ends = nil,
  }, Session)
end

-- A token that was given -------------------------------------------------------------------------

local function take_given_token(self, op)
  local token, err = credential.ask(op, self.source.value, self.source.name)
  if not token then return nil, err end
  local ok, facts = self.core:authorize(token, self.source.trim)
  if not ok then return nil, errors.from_facts(op, facts, { attempts = 0, sends = 0 }) end
  return true
end

-- A token for an API key -------------------------------------------------------------------------

local function plan_renewal(self, lifetime)
  local leeway = math.min(LEEWAY, LEEWAY_SHARE * lifetime) * (0.5 + core.random() / 2)
  self.ends = core.monotonic() + lifetime
  self.renew_at = self.ends - leeway
end

---@return table? answer { expiresIn, scope }
---@return bytenite.secrets.Error?
function Session:exchange(call)
  self.refused = nil
  local key, err = credential.ask(call.op, self.source.value, self.source.name)
  if not key then return nil, err end
  local answer
  answer, err = call:run(function(seconds)
    return self.core:authenticate(key, seconds, self.source.trim)
  end, { purpose = call.op ~= "authenticate" and "getting an access token" or nil })
  if not answer then
    if err.kind == "unauthorized" or err.kind == "forbidden" then
      self.refused, self.rest_ends = errors.again(err, call.op), core.monotonic() + REST
    end
    return nil, err
  end
  plan_renewal(self, answer.expiresIn)
  call:notify { event = "renewal", expires_in = answer.expiresIn }
  return answer
end

-- As exchange, unless the key was refused a moment ago.
local function renewed(self, call)
  if self.refused and core.monotonic() < self.rest_ends then
    return nil, errors.again(self.refused, call.op)
  end
  return self:exchange(call)
end

-- What a call needs of it ------------------------------------------------------------------------

---Sees to it that the core has a token for the next attempt of a call.
---@param call table
---@param check (fun(): bytenite.secrets.Error?)? what keeps the call from being sent; asked before
--- an exchange, which would be for nothing
---@return true?
---@return bytenite.secrets.Error?
function Session:authorize(call, check)
  if self.source.kind == "access_token" then
    if call.authorized then return true end
    call.authorized = true
    return take_given_token(self, call.op)
  end
  local now = core.monotonic()
  if self.renew_at and now < self.renew_at then return true end
  local err = check and check()
  if err then return nil, err end
  local answer
  answer, err = renewed(self, call)
  if not answer and self.renew_at and core.monotonic() < self.ends then
    self.renew_at = core.monotonic() + REST -- the token that there is will do until then
    return true
  end
  return answer and true, err
end

---After a 401: whether another token can be had, so that one more attempt makes sense.
---@return boolean
---@return bytenite.secrets.Error?
function Session:renew(call)
  if self.source.kind == "access_token" then
    call.authorized = type(self.source.value) ~= "function"
    return not call.authorized
  end
  self.renew_at = nil
  local answer, err = renewed(self, call)
  return answer ~= nil, err
end

return Session
