-- Processes of their own for what would harm the one that runs the specs, or would see too much.

local process = require "process"

local child = {}

---@param fd integer
---@return string all that comes until its end; it is closed
function child.read_all(fd)
  local pieces = {}
  repeat
    pieces[#pieces + 1] = process.read(fd)
  until pieces[#pieces] == ""
  process.close(fd)
  return table.concat(pieces)
end

---Starts a Lua that runs a script.
---@param script string
---@return integer pid
---@return integer fd what it writes to standard output and standard error
function child.start(script)
  return process.spawn("sh", "-c", 'exec "$0" -e "$1" 2>&1', os.getenv("LUA") or "lua", script)
end

---Starts a program with a shared object preloaded.
---@param library string
---@return integer pid
---@return integer fd its standard output
function child.preload(library, ...)
  local preload = os.getenv("LD_PRELOAD")
  process.setenv("LD_PRELOAD", (preload and preload .. ":" or "") .. library)
  local ok, pid, fd = pcall(process.spawn, ...)
  process.setenv("LD_PRELOAD", preload)
  assert(ok, pid)
  return pid, fd
end

---Runs a script to its end.
---@param script string
---@return integer status minus the signal if one ended it
---@return string output standard output and standard error
function child.run(script)
  local pid, fd = child.start(script)
  local output = child.read_all(fd)
  return process.wait(pid), output
end

return child
