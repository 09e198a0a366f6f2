-- The Error of a failed exchange: the words for its facts and its verdict.

local errors = require "bytenite.secrets.errors"
local kinds = require "bytenite.secrets.errors.kinds"
local printable = require "bytenite.secrets.printable"
local verdict = require "bytenite.secrets.call.verdict"

-- Only a delete names a secret that the service looks up.
local function is_misdirected(judged, totals)
  if judged.doubtful then return true end
  return judged.kind == "not_found" and (totals.verb ~= "delete" or totals.purpose ~= nil)
end

-- The parts of an Error's message that stand in parentheses.
local function details_of(facts)
  local details = {}
  if facts.reason == "status" then
    details[1] = ("HTTP %d"):format(facts.status)
  elseif facts.detail then
    details[1] = printable.clean(facts.detail)
  elseif facts.reason == "refused" and facts.code then
    details[1] = ("code %d"):format(facts.code)
  end
  details[#details + 1] = facts.finding
  return details
end

-- The sentence of an error that an exchange's facts tell of.
local function describe(judged, facts, totals)
  local kind = judged.kind
  if kind == "invalid" then return facts.field .. " " .. facts.detail end
  local text = kinds[kind].text
  if is_misdirected(judged, totals) then text = "the service has nothing at this address" end
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
  if facts.description then text = text .. ": " .. printable.clean(facts.description) end
  return text
end

-- What to do next, where the kind alone does not say it.
local function hint_of(judged, facts, totals)
  if is_misdirected(judged, totals) then return kinds.protocol.hint end
  if facts.reason == "limit" then
    return "ask for less with a filter, or allow more with max_response_bytes"
  end
  if facts.retry_after then return ("try again in %d s"):format(facts.retry_after) end
end

---Makes an Error of a failed exchange's facts.
---@param op string
---@param facts table of facts.h, with their verdict where there is one already; finding: words on
--- what was found out after the exchange
---@param totals { attempts: integer, sends: integer, ambiguous: boolean?, verb: string?,
--- purpose: string? } a call; purpose: what the exchange is for, where op does not say it
---@return bytenite.secrets.Error
local function new(op, facts, totals)
  local judged = facts.verdict or verdict.of(facts)
  return errors.new {
    kind = judged.kind,
    op = op,
    message = describe(judged, facts, totals),
    hint = hint_of(judged, facts, totals),
    status = facts.status,
    code = facts.code,
    description = facts.description and printable.clean(facts.description),
    requestId = facts.requestId and printable.clean(facts.requestId),
    retryable = judged.retryable,
    ambiguous = totals.ambiguous,
    attempts = totals.attempts,
    sends = totals.sends,
    retry_after = facts.retry_after,
    cause = facts.curl and ("curl %d: %s"):format(facts.curl, printable.clean(facts.detail)),
  }
end

return { new = new }
