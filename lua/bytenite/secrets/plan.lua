-- What has to be done so that the stored secrets become the desired ones. Making a plan only lists.

local arguments = require "bytenite.secrets.arguments"
local collisions = require "bytenite.secrets.plan.collisions"
local compare = require "bytenite.secrets.plan.compare"
local core = require "bytenite.secrets.core"
local desired_items = require "bytenite.secrets.plan.desired"
local errors = require "bytenite.secrets.errors"
local listing = require "bytenite.secrets.plan.listing"
local printable = require "bytenite.secrets.printable"
local prune = require "bytenite.secrets.plan.prune"
local record = require "bytenite.secrets.record"
local text_of = require "bytenite.secrets.plan.text"

---@class bytenite.secrets.FieldChange
---@field field string "name", or "params.region" for a member of params
---@field old any stored value; nil when there is none
---@field new any desired value; nil when there is none

---@class bytenite.secrets.Action
---@field action "create"|"update"|"unknown"|"unchanged"|"delete"
---@field secretType string
---@field id string
---@field fields bytenite.secrets.FieldChange[] of create and update; empty for the others

---@class bytenite.secrets.Plan a readable diff as text. Changing its tables does not change what
--- apply does
---@field actions bytenite.secrets.Action[] one for each item in the order of the items, then the
--- deletes by type and id
---@field counts table<string, integer> of each action, zeros included
---@field changes boolean whether apply would send anything
---@field warnings string[]
local Plan = { __name = "bytenite.secrets.Plan" }

function Plan:__tostring()
  return text_of(self)
end

---@class bytenite.secrets.PlanOptions
---@field prune bytenite.secrets.Prune? nothing is deleted without it
---@field max_delete integer? 10 by default; a plan that would delete more is none

local MOST_DELETES = 10

local OPTIONS = {
  prune = arguments.of_type("table"),
  max_delete = arguments.whole(0, 2 ^ 31),
}

-- What apply needs of a plan, keys included: kept away from those who print tables.
local contents = setmetatable({}, { __mode = "k" })

local plan = {}

---@param value any
---@return { writes: table[], deletes: table[], listing: bytenite.secrets.Listing,
--- base_url: string }? nil when the value is no plan
function plan.contents(value)
  return contents[value]
end

local function invalid(problems)
  return errors.new { kind = "invalid", op = "plan", message = printable.several(problems, "; ") }
end

-- A put replaces the whole record, so what the item does not give is sent as it is stored.
local function merge(stored, given)
  local merged = {}
  for name, value in pairs(stored or {}) do
    merged[name] = value
  end
  for name, value in pairs(given) do
    merged[name] = value
  end
  -- As "" it would not be a timestamp.
  if merged.expiresAt == "" then merged.expiresAt = nil end
  return merged
end

local function classify(item, stored)
  local fields = compare.fields(stored or {}, item.secret)
  if not stored then return "create", fields end
  if #fields > 0 then return "update", fields end
  return item.key == nil and "unchanged" or "unknown", setmetatable({}, core.array_mt)
end

---@return string? problem
local function problem_without_key(name, action, fields)
  if action == "create" then
    return name .. ": a secretKey is needed, as the secret is not stored yet"
  end
  local names = {}
  for position, change in ipairs(fields) do
    names[position] = change.field
  end
  return ("%s: a secretKey is needed to write what differs: %s"):format(name,
    printable.several(names, ", "))
end

---@return string? problem of a record with fields from the listing
local function problem_of_stored(name, stored, merged)
  if not stored then return end
  local problem = record.problem(merged)
  if problem then return ("%s: the stored record cannot be kept: %s"):format(name, problem) end
  local field, detail
  if core.inexact[stored] then
    field, detail = record.value_problem(stored)
  else
    field, detail = record.refusal(merged)
  end
  return field and ("%s: %s %s"):format(name, field, detail)
end

local function add_action(made, action, secret, fields)
  made.counts[action] = made.counts[action] + 1
  made.actions[#made.actions + 1] = {
    action = action,
    secretType = secret.secretType,
    id = secret.id,
    fields = fields or setmetatable({}, core.array_mt),
  }
end

-- Adds the action of an item to the plan, and what it writes to the writes.
---@return string? problem
local function add_item(made, writes, item, stored)
  local action, fields = classify(item, stored)
  add_action(made, action, item.secret, fields)
  if action == "unchanged" then return end
  if item.key == nil then return problem_without_key(item.name, action, fields) end
  local merged = merge(stored, item.secret)
  writes[#writes + 1] = { secret = merged, secretKey = item.key }
  return problem_of_stored(item.name, stored, merged)
end

local function add_items(made, writes, items, stored)
  local problems = {}
  for _, item in ipairs(items) do
    problems[#problems + 1] = add_item(made, writes, item, stored.secrets[item.address])
  end
  return problems
end

local function add_warnings(made, items, others)
  local secrets = {}
  for position, item in ipairs(items) do
    secrets[position] = item.secret
    for _, warning in ipairs(item.warnings) do
      made.warnings[#made.warnings + 1] =
        printable.address(item.secret.secretType, item.secret.id) .. ": " .. warning
    end
  end
  for _, warning in ipairs(collisions(secrets, others)) do
    made.warnings[#made.warnings + 1] = warning
  end
end

local function by_address(values, address_of)
  local found = {}
  for _, value in ipairs(values) do
    found[address_of(value)] = true
  end
  return found
end

-- The stored secrets that stay as they are and are none of the desired ones.
local function others(stored, wanted, deleted)
  local gone, found = by_address(deleted, listing.address), {}
  for _, address in ipairs(stored.addresses) do
    if not wanted[address] and not gone[address] then
      found[#found + 1] = stored.secrets[address]
    end
  end
  return found
end

local function empty_plan()
  return setmetatable({
    actions = setmetatable({}, core.array_mt),
    counts = { create = 0, update = 0, unknown = 0, unchanged = 0, delete = 0 },
    changes = false,
    warnings = setmetatable({}, core.array_mt),
  }, Plan)
end

-- Compares and decides, without I/O.
local function decide(items, stored, options)
  local wanted = by_address(items, function(item) return item.address end)
  local deleted, err = prune.select(options.prune, stored, wanted,
    options.max_delete or MOST_DELETES)
  if not deleted then return nil, err end
  local made, writes = empty_plan(), {}
  local problems = add_items(made, writes, items, stored)
  if #problems > 0 then return nil, invalid(problems) end
  for _, secret in ipairs(deleted) do
    add_action(made, "delete", secret)
  end
  add_warnings(made, items, others(stored, wanted, deleted))
  made.changes = #writes + #deleted > 0
  contents[made] = { writes = writes, deletes = deleted, listing = stored }
  return made
end

---As client:plan.
---@param client bytenite.secrets.Client
function plan.make(client, desired, options)
  options = arguments.options(options, OPTIONS, "plan")
  prune.check(options.prune)
  local items, problems = desired_items.read(desired)
  if #problems > 0 then return nil, invalid(problems) end
  local list, err = client:list()
  if not list then return nil, err end
  local made
  made, err = decide(items, listing.read(list), options)
  if not made then return nil, err end
  contents[made].base_url = client.settings.values.base_url
  return made
end

return plan
