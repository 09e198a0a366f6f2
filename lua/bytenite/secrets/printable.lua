-- Text that is fit to be shown: on one line of a terminal, and not too long.

local core = require "bytenite.secrets.core"

local ADDRESS_MAX = 256
local SEVERAL = 3

local printable = {}

-- A character that takes several bytes, or bytes that are none.
local function clean_character(bytes)
  local first = bytes:byte()
  local length = first < 0xC2 and 0 or first < 0xE0 and 2 or first < 0xF0 and 3 or 4
  if #bytes ~= length or first > 0xF4 then return "?" end
end

---Makes text from outside fit for one line on a terminal: UTF-8 without control characters, line
---separators and what changes the direction of text.
---@param text any
---@return string
function printable.clean(text)
  text = tostring(text):gsub("[\128-\255][\128-\191]*", clean_character):gsub("[%c\127]+", " ")
    :gsub("\194[\128-\159]", " "):gsub("\226\128[\168-\174]", " ")
    :gsub("\226\129[\166-\169]", " ")
  return text
end

---Cuts at a character's border, so that no half of one is left.
---@param text string
---@param most integer bytes
---@return string
function printable.shorten(text, most)
  if #text <= most then return text end
  local cut = most - 3
  while cut > 0 and text:byte(cut + 1) >= 0x80 and text:byte(cut + 1) < 0xC0 do
    cut = cut - 1
  end
  return text:sub(1, cut) .. "..."
end

---The first few of some texts, and how many more there are.
---@param texts string[]
---@param separator string
---@return string
function printable.several(texts, separator)
  if #texts <= SEVERAL then return table.concat(texts, separator) end
  return ("%s%sand %d more"):format(table.concat(texts, separator, 1, SEVERAL), separator,
    #texts - SEVERAL)
end

---The address of a record, fit to be shown. Ids of any form come here.
---@param secret_type string
---@param id string
---@return string
function printable.address(secret_type, id)
  local address = secret_type .. "/" .. id
  if #address <= ADDRESS_MAX and core.is_printable(address) then return address end
  address = printable.clean(address)
  if not core.check_segment(secret_type) or not core.check_segment(id) then
    address = (secret_type .. "/" .. id):gsub("[^ -~]", "?")
  end
  return printable.shorten(address, ADDRESS_MAX)
end

---The name of an operation on a record, as Error.op has it.
---@param verb string
---@param secret_type string
---@param id string
---@return string
function printable.op(verb, secret_type, id)
  return verb .. " " .. printable.address(secret_type, id)
end

return printable
