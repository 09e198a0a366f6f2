-- When a call tries again: the client's budget for that, and how long it waits.

local core = require "bytenite.secrets.core"

local LONGEST_RETRY_AFTER = 10

local retry = {}

-- Retry budget ----------------------------------------------------------------------------------

-- Keeps an outage from being multiplied: once the budget of a client is spent, its calls fail
-- after one attempt each, until calls succeed again.
local BUDGET = 50
local COST = 5

---@class bytenite.secrets.Budget
---@field left number

---@return bytenite.secrets.Budget of a new client
function retry.budget()
  return { left = BUDGET }
end

---Takes the cost of a retry.
---@param budget bytenite.secrets.Budget
---@return boolean whether there was enough left
function retry.take_from(budget)
  if budget.left < COST then return false end
  budget.left = budget.left - COST
  return true
end

---Gives back what a call that succeeded has cost, and a little for each success.
---@param budget bytenite.secrets.Budget
---@param retries integer
function retry.refund(budget, retries)
  if budget.left == BUDGET then return end
  budget.left = math.min(BUDGET, budget.left + math.max(1, COST * retries))
end

-- Waiting ---------------------------------------------------------------------------------------

-- Full jitter: clients that failed together do not come back together.
local function backoff(facts, retries)
  local throttled = facts.status == 429 or facts.status == 503
  local longest = throttled and math.min(5, 2 ^ retries) or math.min(2, 0.2 * 2 ^ retries)
  return core.random() * longest
end

---How long to wait before the next attempt.
---@param facts table of the failed one
---@param retries integer made so far
---@return number? seconds nil when the server asks for more than a call can wait
function retry.time_to_wait(facts, retries)
  if not facts.retry_after then return backoff(facts, retries) end
  if facts.retry_after > LONGEST_RETRY_AFTER then return nil end
  return facts.retry_after
end

return retry
