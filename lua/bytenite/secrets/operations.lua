-- The operations of the service, as data that one call runs: see bytenite.secrets.Operation in
-- call.lua. Each is one request. A new operation needs its entry here, its method of the core's
-- Client and its route in emulator/routes.lua.

local core = require "bytenite.secrets.core"
local failure = require "bytenite.secrets.call.failure"
local record = require "bytenite.secrets.record"

local operations = {}

---@return bytenite.secrets.Error? of kind invalid
function operations.invalid_address(call)
  local ok, problem = core.check_segment(call.secretType)
  if not ok then return record.invalid(call:op(), "secretType", problem) end
  ok, problem = core.check_segment(call.id)
  if not ok then return record.invalid(call:op(), "id", problem) end
end

---@return bytenite.secrets.Error? of kind invalid
function operations.invalid_key(call)
  local ok, problem = core.check_key(call.key)
  if not ok then return record.invalid(call:op(), "secretKey", problem) end
end

operations.list = {
  with_token = true,
  send = function(core_client, call, seconds, start)
    return core_client:list(call.secretType, seconds, start)
  end,
}

operations.put = {
  with_token = true,
  writes = true,
  send = function(core_client, call, seconds, start)
    return core_client:put(call.secret, call.key, seconds, start)
  end,
  check = function(call)
    local ok, facts = core.check_record(call.secret)
    if not ok then return record.invalid(call:op(), facts.field, facts.detail) end
    return operations.invalid_key(call)
  end,
}

-- The Error of a delete whose answer says "not found" in words that are not the service's own.
local function unconfirmed(call, facts, finding)
  facts.finding = finding
  return failure.new(call:op(), facts, call)
end

-- Why a listing of its type does not confirm that a secret is gone; nil if it does.
---@return string?
local function finding_in(list, id)
  for _, secret in ipairs(list) do
    if secret.id == id then return "the secret is still stored" end
    if type(secret.id) ~= "string" then return "the listing has a record without an id" end
  end
end

-- Settles a "not found" that anything on the way to the service may have written: the listing shows
-- whether the secret is still stored.
local function look_for(call, facts)
  local list, err = call:run_nested(operations.list, "listing the secrets")
  if list then
    local finding = finding_in(list, call.id)
    if finding then return nil, unconfirmed(call, facts, finding) end
    return { ok = true, absent = true }
  end
  if err.kind == "cancelled" then return nil, err end
  local unsettled = unconfirmed(call, facts, err.message:sub(#err.op + #": " + 1))
  unsettled.retryable = err.retryable
  return nil, unsettled
end

operations.delete = {
  with_token = true,
  writes = true,
  send = function(core_client, call, seconds, start)
    return core_client:delete(call.secretType, call.id, seconds, start)
  end,
  check = operations.invalid_address,
  absent = function(call, facts)
    if facts.verdict.doubtful then return look_for(call, facts) end
    return { ok = true, absent = true, requestId = facts.requestId }
  end,
}

operations.exchange = {
  send = function(core_client, call, seconds, start)
    local trim = call.client.session.source.trim
    return core_client:authenticate(call.key, seconds, trim, start)
  end,
}

return operations
