-- Reads the annotations of LuaLS (https://luals.github.io/wiki/annotations/) in the sources of what
-- is public, for the spec that checks them and for the reference that is made of them.
--
--   annotations.public()        array of Groups
--   annotations.of(func)        Block above a Lua function, and the source of that
--   annotations.types()         Blocks by the name of the class or alias that they declare
--   annotations.names_in(type)  names of types in an expression
--
-- A Block is { text =, params =, returns =, fields =, class =, parent =, alias =, variants = },
-- where params, returns and fields are arrays of { name =, type =, text = }.

local annotations = {}

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

-- Expressions -------------------------------------------------------------------------------------

local BALANCED =
  { ["("] = "^%b()", ["{"] = "^%b{}", ["["] = "^%b[]", ["<"] = "^%b<>", ['"'] = '^".-"' }

-- Splits "type and what else there is". A type has spaces only within brackets, and before what a
-- function returns.
local function split_type(text)
  local position = 1
  local returns = false
  while position <= #text do
    local character = text:sub(position, position)
    local pattern = BALANCED[character]
    if pattern then
      local _, last = text:find(pattern, position)
      position = assert(last, "unbalanced: " .. text)
    elseif character == ":" then
      returns = true
    elseif character == " " and not (returns and text:find("^[:,]", position - 1)) then
      break
    end
    position = position + 1
  end
  return text:sub(1, position - 1), (text:sub(position):gsub("^%s+", ""))
end

---@param type_text string
---@return string[]
function annotations.names_in(type_text)
  local names = {}
  -- Without literals, and without the names of fields and parameters.
  local text = type_text:gsub('"[^"]*"', ""):gsub("[%w_]+%??%s*:", "")
    :gsub("fun%(self%f[,)]", "fun(")
  for name in text:gmatch("[%a_][%w_.]*") do
    names[#names + 1] = name
  end
  return names
end

-- Blocks ------------------------------------------------------------------------------------------

local function named(text)
  local name, rest = text:match("^(%S+)%s*(.*)$")
  local type_text, description = split_type(rest or "")
  return { name = name, type = type_text, text = description }
end

local TAGS = {}

function TAGS.param(block, text)
  block.params[#block.params + 1] = named(text)
end

function TAGS.field(block, text)
  block.fields[#block.fields + 1] = named(text)
end

TAGS["return"] = function(block, text)
  local type_text, rest = split_type(text)
  local name, description = rest:match("^(%S+)%s*(.*)$")
  block.returns[#block.returns + 1] = { name = name, type = type_text, text = description or "" }
end

function TAGS.class(block, text)
  local name, rest = text:match("^([%w_.]+)(.*)$")
  local parent, description = rest:match("^:%s*([%w_.]+)%s*(.*)$")
  block.class, block.parent = name, parent
  block.text = (description or rest):gsub("^%s+", "")
end

function TAGS.alias(block, text)
  local name, rest = text:match("^([%w_.]+)%s*(.*)$")
  block.alias = name
  if rest ~= "" then block.variants[1] = { type = split_type(rest), text = "" } end
end

TAGS["|"] = function(block, text)
  local type_text, description = split_type(text)
  block.variants[#block.variants + 1] = { type = type_text, text = description }
end

-- The block that begins at line `first`, and the line after it.
local function read_block(lines, first)
  local block = { text = "", params = {}, returns = {}, fields = {}, variants = {} }
  local tags = {}
  local position = first
  while lines[position] and lines[position]:find("^%-%-%-") do
    local body = lines[position]:sub(4)
    local tag, text = body:match("^@(%a+)%s*(.*)$")
    if not tag then tag, text = body:match("^(|)%s*(.*)$") end
    if tag then
      tags[#tags + 1] = { name = tag, text = text }
    elseif #tags == 0 then
      block.text = (block.text .. " " .. body):gsub("^%s+", "")
    else
      tags[#tags].text = tags[#tags].text .. " " .. body:gsub("^%s+", "")
    end
    position = position + 1
  end
  for _, tag in ipairs(tags) do
    local read = TAGS[tag.name]
    if not read then error(("unknown annotation @%s: %s"):format(tag.name, tag.text), 0) end
    read(block, tag.text)
  end
  return block, position
end

-- The block that ends above a line.
local function block_above(path, line)
  local lines = lines_of(path)
  local first = line
  while first > 1 and lines[first - 1]:find("^%-%-%-") do
    first = first - 1
  end
  return (read_block(lines, first))
end

local function sources(under)
  local paths = {}
  local pipe = assert(io.popen(("find lua/%s -name '*.lua' 2>/dev/null | sort"):format(under)))
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  pipe:close()
  return paths
end

---@param func function written in Lua
---@return table block
---@return string text the function's source
function annotations.of(func)
  local info = debug.getinfo(func, "S")
  local path = info.source:sub(2)
  return block_above(path, info.linedefined),
    table.concat(lines_of(path), "\n", info.linedefined, info.lastlinedefined)
end

-- As annotations.of, for a module that is a function. It may need what is not installed here.
local function returned_by(path)
  local lines = lines_of(path)
  for number, line in ipairs(lines) do
    if line:find("^return function") then
      local source = table.concat(lines, "\n", number):gsub("^return ", "")
      return { block = block_above(path, number), source = source }
    end
  end
  error(path .. " returns no function", 0)
end

---@return table<string, table> blocks
function annotations.types()
  local types = {}
  for _, path in ipairs(sources("bytenite")) do
    local lines = lines_of(path)
    local position = 1
    while position <= #lines do
      local block
      block, position = read_block(lines, position)
      local name = block.class or block.alias
      if name then
        if types[name] then error(("%s is declared twice, in %s again"):format(name, path), 0) end
        types[name] = block
      end
      position = position + 1
    end
  end
  return types
end

-- What is public ----------------------------------------------------------------------------------

---@class annotations.Group
---@field module string
---@field class string whose annotations describe what is not a function
---@field members table as scripts find them, functions and else
---@field is_object boolean? they are methods
---@field returned { block: table, source: string }? of a module that is a function

---@return annotations.Group[]
function annotations.public()
  local secrets = require "bytenite.secrets"
  local emulators = require "bytenite.secrets.emulator"
  local client = assert(secrets.new { access_token = "token", ignore_env = true })
  local emulator = assert(emulators.start())
  local function methods_of(object)
    return debug.getmetatable(object).__index
  end
  local groups = {
    { module = "bytenite.secrets", class = "bytenite.secrets", members = secrets },
    { module = "bytenite.secrets", class = "bytenite.secrets.Client",
      members = methods_of(client), is_object = true },
    { module = "bytenite.secrets", class = "bytenite.secrets.SecretString",
      members = methods_of(secrets.from_string "key"), is_object = true },
    { module = "bytenite.secrets.emulator", class = "bytenite.secrets.emulator",
      members = emulators },
    { module = "bytenite.secrets.emulator", class = "bytenite.secrets.Emulator",
      members = methods_of(emulator), is_object = true },
  }
  client:close()
  emulator:stop()
  for _, path in ipairs(sources("bytenite/secrets/wait")) do
    local module = path:match("^lua/(.*)%.lua$"):gsub("/", ".")
    groups[#groups + 1] =
      { module = module, class = module, members = {}, returned = returned_by(path) }
  end
  return groups
end

return annotations
