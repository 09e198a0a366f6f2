-- What a plan is to lead to: the items that the user gives, checked and copied.

local arguments = require "bytenite.secrets.arguments"
local bulk_items = require "bytenite.secrets.bulk.items"
local core = require "bytenite.secrets.core"
local listing = require "bytenite.secrets.plan.listing"
local printable = require "bytenite.secrets.printable"
local record = require "bytenite.secrets.record"

---@class bytenite.secrets.DesiredItem
---@field secret bytenite.secrets.Secret
---@field secretKey bytenite.secrets.Credential? may be absent where nothing has to be written

local desired = {}

-- Types and names ---------------------------------------------------------------------------------

-- An item that a hole hides would be missing, and with `prune` even be deleted.
---@return string? problem
local function array_problem(items)
  local entries = 0
  for _ in pairs(items) do
    entries = entries + 1
  end
  for position = 1, entries do
    if items[position] == nil then return "an array from 1 to n without holes expected" end
  end
end

local function each(items)
  if type(items) == "function" then return items end
  local position = 0
  return function()
    position = position + 1
    return items[position]
  end
end

-- Values ------------------------------------------------------------------------------------------

---@return { name: string, address: string, secret: bytenite.secrets.Secret,
--- key: bytenite.secrets.Credential?, warnings: string[] }? read name: for messages
---@return string? problem
local function read_item(item, position)
  local secret, key = item.secret, item.secretKey
  local name = ("desired[%d] %s"):format(position, printable.address(secret.secretType, secret.id))
  local warnings, err = record.check(name, secret)
  if not warnings then return nil, err.message end
  if key ~= nil and type(key) ~= "function" then
    local ok, problem = core.check_key(key)
    if not ok then return nil, ("%s: secretKey %s"):format(name, problem) end
    if core.has_stray_newline(key) then
      warnings[#warnings + 1] = "secretKey begins or ends with a newline"
    end
  end
  return {
    name = name,
    address = listing.address(secret),
    secret = record.copy(secret),
    key = key,
    warnings = warnings,
  }
end

local function check_desired(given)
  if type(given) == "function" then return end
  if type(given) ~= "table" then
    arguments.misuse("plan: desired: array or function expected, got "
      .. arguments.type_name(given), 2)
  end
  local problem = array_problem(given)
  if problem then arguments.misuse("plan: desired: " .. problem, 2) end
end

---Reads all items; raises for those of a wrong form.
---@param given bytenite.secrets.DesiredItem[]|fun(): bytenite.secrets.DesiredItem?
---@return table[] items as read_item gives them
---@return string[] problems of the values that cannot be sent
function desired.read(given)
  check_desired(given)
  local items, problems, first = {}, {}, {}
  local position = 0
  for raw in each(given) do
    position = position + 1
    local misuse = bulk_items.problem(raw, true)
    if misuse then arguments.misuse(("plan: desired[%d]: %s"):format(position, misuse), 1) end
    local item, problem = read_item(raw, position)
    if item and first[item.address] then
      problem = ("%s is the same secret as desired[%d]"):format(item.name, first[item.address])
    end
    if problem then
      problems[#problems + 1] = problem
    else
      items[#items + 1], first[item.address] = item, position
    end
  end
  return items, problems
end

return desired
