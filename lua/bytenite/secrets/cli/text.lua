-- Text from outside, made fit for a terminal: nothing in it moves the cursor, changes colours or
-- the direction of what stands around it. Widths are in columns.

local core = require "bytenite.secrets.core"

-- More marks than this on one letter reach into the lines around it.
local MOST_MARKS = 3

local SHORT_ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Characters without a width that change what is around them, or that nobody can see. (The joiners
-- U+200C and U+200D belong to scripts and emoji.)
local INVISIBLE = {
  ["\216\156"] = true, -- U+061C
  ["\226\128\139"] = true, -- U+200B
  ["\226\128\142"] = true, -- U+200E
  ["\226\128\143"] = true, -- U+200F
  ["\239\187\191"] = true, -- U+FEFF
}
for last = 168, 174 do
  INVISIBLE["\226\128" .. string.char(last)] = true -- U+2028 to U+202E
end
for last = 160, 175 do
  INVISIBLE["\226\129" .. string.char(last)] = true -- U+2060 to U+206F
end

-- One character of UTF-8, or bytes that are none.
local CHARACTER = "[%z\1-\127\192-\255][\128-\191]*"
local ISOLATE, END_OF_ISOLATE = "\226\129\168", "\226\129\169" -- U+2068, U+2069
local ELLIPSIS = "\226\128\166"

-- Hebrew, Arabic and the others; a few that are not among them do no harm.
local RIGHT_TO_LEFT = {
  "[\214-\223][\128-\191]", "\224[\160-\163]", "\239[\172-\187]", "\240\144[\160-\191]",
  "\240\158[\160-\187]",
}

local text = {}

local function escape(character)
  if SHORT_ESCAPES[character] then return SHORT_ESCAPES[character] end
  return (character:gsub(".", function(byte)
    return ("\\x%02X"):format(byte:byte())
  end))
end

---Text on one line, with escapes such as \n and \xE2 for what must not reach a terminal.
---@param value any
---@return string
function text.clean(value)
  value = tostring(value)
  if not value:find("[^ -~]") then return value end
  local marks = 0
  value = value:gsub("^[\128-\191]+", escape):gsub(CHARACTER, function(character)
    local width = core.character_width(character)
    marks = width == 0 and marks + 1 or 0
    if not width or INVISIBLE[character] or marks > MOST_MARKS then return escape(character) end
  end)
  return value
end

-- Where the system knows no UTF-8, the ellipsis is all there is of it.
local function width_of(character)
  return core.character_width(character) or 1
end

---@param clean string
---@return integer columns
function text.width(clean)
  if not clean:find("[\128-\255]") then return #clean end
  local columns = 0
  for character in clean:gmatch(CHARACTER) do
    columns = columns + width_of(character)
  end
  return columns
end

---Cuts what is too wide; an ellipsis shows that something is missing.
---@param clean string
---@param columns integer at least 1
---@return string
function text.cut(clean, columns)
  if #clean <= columns or text.width(clean) <= columns then return clean end
  local kept, left = {}, columns - 1
  for character in clean:gmatch(CHARACTER) do
    left = left - width_of(character)
    if left < 0 then break end
    kept[#kept + 1] = character
  end
  return table.concat(kept) .. ELLIPSIS
end

---Keeps text that is written from right to left from turning its neighbours around.
---@param clean string
---@return string
function text.isolate(clean)
  for _, pattern in ipairs(RIGHT_TO_LEFT) do
    if clean:find(pattern) then return ISOLATE .. clean .. END_OF_ISOLATE end
  end
  return clean
end

return text
