-- Which stored secrets a plan deletes: only of one type, only those that match, only so many.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"
local printable = require "bytenite.secrets.printable"
local record = require "bytenite.secrets.record"

---@class bytenite.secrets.Prune
---@field secretType string
---@field match string|fun(secret: bytenite.secrets.Secret): boolean Lua pattern for the whole id,
--- or a function

local prune = {}

local OPTIONS = {
  secretType = arguments.of_type("string"),
  match = function(value)
    if type(value) ~= "string" and type(value) ~= "function" then return "string or function" end
  end,
}

---Raises unless it is nil or names a type and what has to match.
---@param given bytenite.secrets.Prune?
function prune.check(given)
  if given == nil then return end
  arguments.options(given, OPTIONS, "plan: prune", 1)
  if given.secretType == nil then
    arguments.misuse("plan: prune: option secretType is missing", 1)
  end
  if given.match == nil then
    arguments.misuse('plan: prune: option match is missing (".*" matches every id)', 1)
  end
end

-- A pattern stands for the whole id: "test" does not match "latest".
local function whole(pattern)
  local escapes = pattern:match("(%%*)%$$")
  local start = pattern:sub(1, 1) == "^" and "" or "^"
  local finish = escapes and #escapes % 2 == 0 and "" or "$"
  return start .. pattern .. finish
end

---@return fun(secret: bytenite.secrets.Secret): boolean
local function matcher(match)
  if type(match) == "function" then
    return function(secret)
      return match(record.copy(secret))
    end
  end
  local pattern = whole(match)
  return function(secret)
    local ok, found = pcall(string.find, secret.id, pattern)
    if not ok then arguments.misuse("plan: prune: option match: " .. found, 3) end
    return found ~= nil
  end
end

local function too_many(found, most)
  local addresses = {}
  for position, secret in ipairs(found) do
    addresses[position] = printable.address(secret.secretType, secret.id)
  end
  return errors.new {
    kind = "invalid",
    op = "plan",
    message = ("prune selects %d to delete, and max_delete is %d: %s"):format(#found, most,
      printable.several(addresses, ", ")),
    hint = "narrow prune, or raise max_delete if these are to go",
  }
end

---The stored secrets that are to be deleted, in the order of the listing.
---@param given bytenite.secrets.Prune?
---@param listing bytenite.secrets.Listing
---@param stays table<string, any> by address
---@param most integer
---@return bytenite.secrets.Secret[]?
---@return bytenite.secrets.Error? err of kind invalid
function prune.select(given, listing, stays, most)
  local found = {}
  if not given then return found end
  local ok, problem = core.check_segment(given.secretType)
  if not ok then return nil, record.invalid("plan", "prune.secretType", problem) end
  local matches = matcher(given.match)
  for _, address in ipairs(listing.addresses) do
    local secret = listing.secrets[address]
    if secret.secretType == given.secretType and not stays[address] and matches(secret) then
      found[#found + 1] = secret
    end
  end
  if #found > most then return nil, too_many(found, most) end
  return found
end

return prune
