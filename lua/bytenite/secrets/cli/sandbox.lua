-- Runs a Lua file that only describes data: without files, processes, modules, or a way to reach
-- this program.

local exit = require "bytenite.secrets.cli.exit"

local ALLOWED = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
}
local LIBRARIES = { "math", "string", "table", "utf8" }

local function copy(library)
  local copied = {}
  for name, value in pairs(library or {}) do
    copied[name] = value
  end
  return copied
end

-- The file must not catch Ctrl-C or memory errors.
local function protect(ok, ...)
  if not ok then exit.pass_on((...)) end
  return ok, ...
end

local function new_environment()
  local environment = {}
  for _, name in ipairs(ALLOWED) do
    environment[name] = _G[name]
  end
  function environment.pcall(...)
    return protect(pcall(...))
  end
  for _, name in ipairs(LIBRARIES) do
    environment[name] = copy(_G[name])
  end
  environment.string.dump = nil
  return environment
end

local function compile(code, name, environment)
  local set_environment = rawget(_G, "setfenv") -- of Lua 5.1
  if not set_environment then return load(code, name, "t", environment) end
  if code:byte() == 27 then return nil, name:sub(2) .. ": is no text" end
  local chunk, message = rawget(_G, "loadstring")(code, name)
  return chunk and set_environment(chunk, environment), message
end

---@param code string
---@param path string for messages
---@return any value what the code returns
---@return string? problem when it does not run
return function(code, path)
  local chunk, message = compile(code, "@" .. path, new_environment())
  if not chunk then
    exit.pass_on(message)
    -- What it is near to may be a key that lacks a quotation mark.
    return nil, (message:gsub(" near .*", ""))
  end
  local jit = rawget(_G, "jit")
  if jit then jit.off(chunk, true) end -- compiled code would not notice Ctrl-C
  local ok, value = pcall(chunk)
  if ok then return value end
  exit.pass_on(value)
  return nil, tostring(value)
end
