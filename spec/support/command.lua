-- Runs the command `bytenite-secrets` in a process of its own.
--
--   local result = command.run { "list", "--json" }              -> status, stdout, stderr
--   command.run { "put", "s3/a", input = "key\n" }               through a pipe
--   command.on_terminal { "list", columns = 80 }                 see terminal.lua
--   command.file("plan.json", text)                              a path; clean_up removes it
--   after_each(command.clean_up)
--
-- Keys in these specs hold the marker, and nothing that is ever written may hold it.

local child = require "child"
local process = require "process"
local read = require "read"
local terminals = require "terminal"

local LUA = os.getenv "LUA" or "lua"
local PRELOAD = os.getenv "LD_PRELOAD"
local unpack = table.unpack or unpack

-- What a sanitizer watches: Lua, and not what surrounds it.
local INTERPRETER = PRELOAD and "env LD_PRELOAD=" .. PRELOAD .. " " .. LUA or LUA

local command = {
  MARKER = "MARKER",
  interpreter = INTERPRETER, -- as words of a shell
  program = INTERPRETER .. " lua/bytenite-secrets",
}

local place

local function without_preload(start, ...)
  process.setenv("LD_PRELOAD")
  local first, second = start(...)
  process.setenv("LD_PRELOAD", PRELOAD)
  return first, second
end

local function shell(script, ...)
  local pid, fd = without_preload(process.spawn, "sh", "-c", script, ...)
  local output = child.read_all(fd)
  assert(process.wait(pid) == 0, script)
  return output
end

local function path_of(name)
  place = place or shell("mktemp -d"):match("[^\n]+")
  return place .. "/" .. name
end

function command.file(name, text)
  local path = path_of(name)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  shell('chmod 600 "$0"', path)
  return path
end

function command.read(name)
  return read(path_of(name))
end

function command.clean_up()
  if place then shell('rm -rf "$0"', place) end
  place = nil
end

---@param output string
---@return string output
function command.check(output)
  assert(not output:find(command.MARKER, 1, true), "a key is shown: " .. output)
  return output
end

local BEHIND_A_PIPE = 'cd "$0"; cat in 2>/dev/null | (cd "$OLDPWD"; exec %s "$@") >out 2>err'

---@param words table arguments, and `input` for standard input
---@return { status: integer, stdout: string, stderr: string }
function command.run(words)
  command.file("in", words.input or "")
  local pid, fd = without_preload(process.spawn, "sh", "-c",
    BEHIND_A_PIPE:format(command.program), place, unpack(words))
  child.read_all(fd)
  local status = process.wait(pid)
  return {
    status = status,
    stdout = command.check(command.read("out")),
    stderr = command.check(command.read("err")),
  }
end

-- Variables of the shell's command come first, redirections last.
local ON_A_TERMINAL = 'stty cols "$0"; %s exec %s "$@" %s'

---@param words table arguments; `columns` of the terminal; `before`, shell text in front of the
--- command, and `after`, such as redirections
---@return table terminal see terminal.lua
function command.on_terminal(words)
  return without_preload(terminals.start, "sh", "-c", ON_A_TERMINAL:format(words.before or "",
    command.program, words.after or ""), tostring(words.columns or 80), unpack(words))
end

---Runs it on a terminal to its end.
---@return integer status
---@return string screen with plain ends of lines
function command.watch(words)
  local status, screen = command.on_terminal(words):finish()
  return status, (command.check(screen):gsub("\r\n", "\n"))
end

return command
