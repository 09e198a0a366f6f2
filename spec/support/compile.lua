-- Compiles Lua text on any Lua: from 5.2 on by load, before that by loadstring and setfenv.
--
--   local chunk, message = compile(text, name?, environment?)

return function(text, name, environment)
  local setfenv = rawget(_G, "setfenv")
  if not setfenv then return load(text, name, "t", environment or _G) end
  local chunk, message = loadstring(text, name)
  if chunk and environment then setfenv(chunk, environment) end
  return chunk, message
end
