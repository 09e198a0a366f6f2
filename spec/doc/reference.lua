-- Writes what is public as comments of ldoc, one file for each module: lua reference.lua DIRECTORY
-- The text is that of the annotations in the sources.

local annotations = require "annotations"

local PREFIX = "bytenite.secrets."
local NO_BREAK = "\194\160"

local types = annotations.types()

local function escape(text)
  return (text:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;")
    :gsub("`([^`]+)`", "<code>%1</code>"))
end

-- ldoc takes a type up to the first space, parts it at each "|", also within brackets, and has
-- its own meaning for "?".
local function write_type(text)
  text = escape((text:gsub("bytenite%.secrets%.(%u)", "%1"))):gsub("%?", "&#63;")
  for _, brackets in ipairs { "%b()", "%b{}" } do
    text = text:gsub(brackets, function(inner)
      return (inner:gsub("|", "&#124;"))
    end)
  end
  return (text:gsub(" ", NO_BREAK))
end

-- "fun(): string?" is no optional type, but a function that may return nothing.
local function is_optional(entry)
  local outer = entry.type:gsub("%b{}", ""):gsub("^%b()", "")
  return outer:sub(-1) == "?" and not outer:find("fun%b():")
end

local function bare_type(entry)
  return write_type(is_optional(entry) and entry.type:sub(1, -2) or entry.type)
end

local function write_entry(tag, entry)
  return ("-- @%s%s %s %s %s"):format(tag, is_optional(entry) and "[opt]" or "", bare_type(entry),
    entry.name, escape(entry.text))
end

local function write_return(entry)
  local text = entry.name and ("<code>%s</code> %s"):format(entry.name, escape(entry.text)) or ""
  return ("-- @treturn %s%s %s"):format(bare_type(entry), is_optional(entry) and "|nil" or "", text)
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- A field such as `equals fun(self, other: string): boolean`, as the Block of a method.
local function block_of_field(field)
  local block = { text = field.text, params = {}, returns = {} }
  local parameters, result = field.type:match("^fun(%b())%s*:?%s*(.*)$")
  for name, type_text in parameters:sub(2, -2):gmatch("([%w_]+)%s*:%s*([^,]+)") do
    block.params[#block.params + 1] = { name = name, type = type_text, text = "" }
  end
  if result ~= "" then block.returns[1] = { type = result, text = "" } end
  return block
end

local function capitalized(text)
  return (text:gsub("^%l", string.upper))
end

local Page = {}
Page.__index = Page

function Page:add(...)
  for _, line in ipairs { ... } do
    self.lines[#self.lines + 1] = line
  end
end

function Page:add_function(name, block)
  self:add("", "--- " .. escape(capitalized(block.text)), "-- @function " .. name)
  for _, param in ipairs(block.params) do
    self:add(write_entry("tparam", param))
  end
  for _, entry in ipairs(block.returns) do
    self:add(write_return(entry))
  end
end

-- The functions of a group, and those fields of its class that are methods in C.
function Page:add_group(group)
  local class = types[group.class]
  local short = group.class:sub(#PREFIX + 1)
  local before = group.is_object and short .. ":" or ""
  local fields = {}
  for _, field in ipairs(class and class.fields or {}) do
    fields[field.name] = field
  end
  if group.is_object then
    self:add("", "--- " .. escape(capitalized(class.text)), "-- @type " .. short)
  end
  for _, name in ipairs(sorted(group.members)) do
    local member = group.members[name]
    if type(member) == "function" and not name:find("^__") then
      self:add_function(before .. name,
        fields[name] and block_of_field(fields[name]) or (annotations.of(member)))
    end
  end
  if group.returned then self:add_function(group.module:match("[^.]+$"), group.returned.block) end
  for _, field in ipairs(class and class.fields or {}) do
    if not field.type:find("^fun") then
      self:add("", ("--- %s (%s)"):format(escape(capitalized(field.text)), write_type(field.type)),
        "-- @field " .. before .. field.name)
    end
  end
end

function Page:add_type(name)
  local block = types[name]
  self:add("", "--- " .. escape(capitalized(block.text)), "-- @table " .. name:sub(#PREFIX + 1))
  if block.parent then self:add("-- @see " .. block.parent:sub(#PREFIX + 1)) end
  for _, field in ipairs(block.fields) do
    self:add(write_entry("tfield", field))
  end
  for _, variant in ipairs(block.variants) do
    self:add(("-- @field %s %s"):format(write_type(variant.type), escape(variant.text)))
  end
end

-- The types that a Block names, and those that these name.
local function follow(block, found)
  local function visit(entries)
    for _, entry in ipairs(entries) do
      for _, name in ipairs(annotations.names_in(entry.type)) do
        if types[name] and not found[name] then
          found[name] = true
          follow(types[name], found)
        end
      end
    end
  end
  if block.parent then visit { { type = block.parent } } end
  visit(block.params)
  visit(block.returns)
  visit(block.fields)
  visit(block.variants)
end

local function types_of(groups)
  local found = {}
  for _, group in ipairs(groups) do
    for name, member in pairs(group.members) do
      if type(member) == "function" and not name:find("^__")
        and debug.getinfo(member, "S").what == "Lua" then
        follow((annotations.of(member)), found)
      end
    end
    if types[group.class] then follow(types[group.class], found) end
  end
  return found
end

-- The first comment of the module's source.
local function head_of(module)
  local text = {}
  for line in io.lines("lua/" .. module:gsub("%.", "/") .. ".lua") do
    if not line:find("^%-%- ") then break end
    text[#text + 1] = line:sub(4)
  end
  return table.concat(text, " ")
end

local directory = arg[1]
local pages, by_module, shown = {}, {}, {}
for _, group in ipairs(annotations.public()) do
  if not by_module[group.module] then
    by_module[group.module] = { groups = {} }
    pages[#pages + 1] = group.module
  end
  table.insert(by_module[group.module].groups, group)
  shown[group.class] = true
end

for _, module in ipairs(pages) do
  local page = setmetatable({ lines = {} }, Page)
  page:add("--- " .. escape(head_of(module)), "-- @module " .. module)
  local groups = by_module[module].groups
  for _, group in ipairs(groups) do
    page:add_group(group)
  end
  page:add("", "--- Tables", "-- @section tables")
  for _, name in ipairs(sorted(types_of(groups))) do
    if not shown[name] then
      shown[name] = true
      page:add_type(name)
    end
  end
  local file = assert(io.open(("%s/%s.lua"):format(directory, module), "w"))
  file:write(table.concat(page.lines, "\n"), "\n")
  file:close()
end
