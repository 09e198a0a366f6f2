-- A plan as text for people. What comes from records is fit for a terminal, and in a stable order.

local compare = require "bytenite.secrets.plan.compare"
local core = require "bytenite.secrets.core"
local printable = require "bytenite.secrets.printable"

local LONGEST_VALUE = 120
local LONGEST_NAME = 80

local VERBS = {
  create = "+ create",
  update = "~ update",
  unknown = "? unknown",
  delete = "- delete",
}

local SUMMARY = {
  { "create", "to create" },
  { "update", "to update" },
  { "unknown", "unknown (the key is written, as it cannot be compared)" },
  { "delete", "to delete" },
  { "unchanged", "unchanged" },
}

local encode

local function encode_table(value)
  local parts = {}
  if #value > 0 or getmetatable(value) == core.array_mt then
    for position, inner in ipairs(value) do
      parts[position] = encode(inner)
    end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  for position, name in ipairs(compare.names(value)) do
    parts[position] = encode(name) .. ": " .. encode(value[name])
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

-- JSON whose members are sorted.
function encode(value)
  if type(value) == "table" then return encode_table(value) end
  return core.encode(value) or "?"
end

local function shown(value, dress)
  if value == nil then return "(none)" end
  return dress(printable.shorten(printable.clean(encode(value)), LONGEST_VALUE))
end

local function add_field(lines, action, change, dress)
  local name = dress(printable.shorten(printable.clean(change.field), LONGEST_NAME))
  local text = shown(change.new, dress)
  if action == "update" then text = shown(change.old, dress) .. " -> " .. text end
  lines[#lines + 1] = ("    %s: %s"):format(name, text)
end

local function add_action(lines, action, dress)
  local verb = VERBS[action.action]
  if not verb then return end
  lines[#lines + 1] = verb .. " " .. dress(printable.address(action.secretType, action.id))
  for _, change in ipairs(action.fields) do
    add_field(lines, action.action, change, dress)
  end
end

local function summary(plan)
  local parts = {}
  for _, entry in ipairs(SUMMARY) do
    local count = plan.counts[entry[1]]
    if count > 0 then parts[#parts + 1] = ("%d %s"):format(count, entry[2]) end
  end
  local text = table.concat(parts, ", ")
  if plan.changes then return text end
  return "nothing to do" .. (text == "" and "" or ": " .. text)
end

local function as_it_is(text)
  return text
end

---@param plan bytenite.secrets.Plan
---@param dress (fun(text: string): string)? changes each piece that comes from records
---@return string
local function text_of(plan, dress)
  dress = dress or as_it_is
  local lines = {}
  for _, action in ipairs(plan.actions) do
    add_action(lines, action, dress)
  end
  lines[#lines + 1] = summary(plan)
  for _, warning in ipairs(plan.warnings) do
    lines[#lines + 1] = "warning: " .. dress(warning)
  end
  return table.concat(lines, "\n")
end

return text_of
