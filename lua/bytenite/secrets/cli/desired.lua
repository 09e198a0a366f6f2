-- What `plan` and `apply` share: the plan of a file.

local exit = require "bytenite.secrets.cli.exit"
local file = require "bytenite.secrets.cli.file"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"
local text_of = require "bytenite.secrets.plan.text"
local values = require "bytenite.secrets.cli.values"

local COLOURS = { ["+"] = "green", ["-"] = "red", ["~"] = "yellow", ["?"] = "yellow" }

local desired = {}

---Adds the arguments to a command.
---@param command table
function desired.define(command)
  command:argument("file", "A JSON file, or a .lua file that returns the same."):argname("FILE")
  command:option("--prune", "Delete stored secrets of this type that the file does not have; with "
    .. "a pattern such as test-* only those with such an id."):argname("TYPE[:GLOB]")
    :convert(values.prune):overwrite(false)
  command:option("--max-delete", "Refuse to delete more than this; 10 by default."):argname("N")
    :convert(values.whole(0, 999999999))
end

local function no_key()
  return nil, "a plan reads no keys"
end

---@param path string
---@param with_keys boolean whether the keys themselves are needed
---@return bytenite.secrets.Item[]
function desired.items(path, with_keys)
  local items = {}
  for position, entry in ipairs(file.read(path)) do
    local key
    if with_keys then
      key = file.key(path, entry)
    elseif entry.reference then
      key = entry.reference.literal or no_key
    end
    items[position] = { secret = entry.secret, secretKey = key }
  end
  return items
end

---@param client bytenite.secrets.Client
---@param items bytenite.secrets.Item[]
---@param options table of the command line
---@return bytenite.secrets.Plan
function desired.plan(client, items, options)
  return exit.check(client:plan(items, { prune = options.prune, max_delete = options.max_delete }))
end

---A plan for people.
---@param plan bytenite.secrets.Plan
---@param fd integer where it will be shown
---@return string
function desired.words(plan, fd)
  local function dress(words)
    words = text.clean(words)
    return terminal.is(fd) and text.isolate(words) or words
  end
  local lines = {}
  for line in text_of(plan, dress):gmatch("[^\n]+") do
    lines[#lines + 1] = terminal.paint(line, COLOURS[line:sub(1, 1)], fd)
  end
  return table.concat(lines, "\n")
end

return desired
