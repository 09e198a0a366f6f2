-- Loads the C modules. One that was built for another Lua does not load, or would do harm; the
-- error then says so in one line.

-- The Lua that a shared object was built for, as a mark in it says (src/compat.h).
local function built_for(path)
  local file = path and io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read("*a")
  file:close()
  return bytes:match("bytenite%.secrets built for (Lua 5%.%d+)")
end

local function path_of(name, message)
  local found = message:match("from file '([^']+)'")
  if found then return found end
  local searchpath = rawget(package, "searchpath") -- Lua 5.1 has none, and always says the path
  return searchpath and searchpath(name, package.cpath)
end

---As require, for a module written in C.
---@param name string
---@return table
local function native(name)
  local loaded, module = pcall(require, name)
  if loaded then return module end
  local path = path_of(name, tostring(module))
  local version = built_for(path)
  if version and version ~= _VERSION then
    error(("bytenite.secrets: %s was built for %s, and this is %s"):format(path, version, _VERSION),
      0)
  end
  error(module, 0)
end

return native
