-- JSON for scripts: indented, with the names in order, so that the same data gives the same text.

local core = require "bytenite.secrets.core"
local text = require "bytenite.secrets.cli.text"

local json = {}

-- What a terminal would obey: U+007F to U+009F and what changes the direction of text. The rest
-- is escaped already.
local function escape(character)
  local first, second, third = character:byte(1, 3)
  if not second then return "\\u007f" end
  if not third then return ("\\u%04x"):format((first - 192) * 64 + second - 128) end
  return ("\\u%04x"):format((first - 224) * 4096 + (second - 128) * 64 + third - 128)
end

local function scalar(value)
  -- A path, for one, may be no UTF-8.
  local written = core.encode(value) or assert(core.encode(text.clean(value)))
  if type(value) ~= "string" then return written end
  written = written:gsub("\127", escape):gsub("\194[\128-\159]", escape)
    :gsub("\216\156", escape):gsub("\226\128[\139-\143\168-\174]", escape)
    :gsub("\226\129[\160-\175]", escape):gsub("\239\187\191", escape)
  return written
end

local function sorted_names(object)
  local names = {}
  for name in pairs(object) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local write

local function write_all(pieces, opening, count, closing, indent, write_one)
  if count == 0 then
    pieces[#pieces + 1] = opening .. closing
    return
  end
  local inner = indent .. "  "
  for position = 1, count do
    pieces[#pieces + 1] = (position == 1 and opening or ",") .. "\n" .. inner
    write_one(position, inner)
  end
  pieces[#pieces + 1] = "\n" .. indent .. closing
end

local function write_array(pieces, array, indent)
  write_all(pieces, "[", #array, "]", indent, function(position, inner)
    write(pieces, array[position], inner)
  end)
end

local function write_object(pieces, object, indent)
  local names = sorted_names(object)
  write_all(pieces, "{", #names, "}", indent, function(position, inner)
    pieces[#pieces + 1] = scalar(names[position]) .. ": "
    write(pieces, object[names[position]], inner)
  end)
end

function write(pieces, value, indent)
  if type(value) ~= "table" then
    pieces[#pieces + 1] = scalar(value)
  elseif #value > 0 or getmetatable(value) == core.array_mt then
    write_array(pieces, value, indent)
  else
    write_object(pieces, value, indent)
  end
end

---@param value any of what JSON can hold; arrays as in a record's params
---@return string
function json.encode(value)
  local pieces = {}
  write(pieces, value, "")
  return table.concat(pieces)
end

---A value for people: a string as it is, nothing for nil, anything else as JSON on one line.
---@param value any
---@return string
function json.words(value)
  if value == nil then return "" end
  if type(value) == "string" then return value end
  return (json.encode(value):gsub("\n *", " "))
end

---Marks a table as an array, also when it is empty.
---@param list table
---@return table list
function json.array(list)
  return setmetatable(list, core.array_mt)
end

return json
