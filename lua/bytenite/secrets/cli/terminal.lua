-- The terminal, if there is one: what it can show, notes to whoever sits there, questions.
--
-- Data goes to standard output, everything else to standard error.

local core = require "bytenite.secrets.core"
local exit = require "bytenite.secrets.cli.exit"
local text = require "bytenite.secrets.cli.text"

local STDIN, STDOUT, STDERR = 0, 1, 2

local COLOURS = { red = "31", green = "32", yellow = "33" }

-- A signal that comes just before poll(2) would be noticed after it, so none is longer.
local LONGEST_POLL = 1

-- More than a person has typed ahead; a program may not come to an end.
local MOST_LINES = 1000

local terminal = {
  STDIN = STDIN,
  STDOUT = STDOUT,
  STDERR = STDERR,
  guard_streams = core.guard_streams,
  is = core.is_terminal,
}

---@param fd integer
---@return integer? columns; nil when it is no terminal
function terminal.width(fd)
  if not terminal.is(fd) then return nil end
  local columns = tonumber(os.getenv("COLUMNS") or "")
  if columns and columns >= 1 then return math.floor(columns) end
  return core.terminal_width(fd)
end

---@param fd integer
---@return boolean whether a descriptor is a terminal that obeys more than the ends of lines
function terminal.draws(fd)
  return terminal.is(fd) and os.getenv("TERM") ~= "dumb"
end

---Text in a colour, where the descriptor shows colours.
---@param words string
---@param colour "red"|"green"|"yellow"|nil
---@param fd integer
---@return string
function terminal.paint(words, colour, fd)
  local unwanted = (os.getenv("NO_COLOR") or "") ~= ""
  if not colour or unwanted or not terminal.draws(fd) then return words end
  return ("\27[%sm%s\27[0m"):format(COLOURS[colour], words)
end

local status_shown = false

---Shows a line that the next one replaces, where there is a terminal for it.
---@param words string? nil takes it away
function terminal.status(words)
  if not (words or status_shown) or not terminal.draws(STDERR) then return end
  io.stderr:write("\r\27[K", words or "")
  status_shown = words ~= nil
end

---@param words string of one line or several; the service's own may be among them
function terminal.note(words)
  terminal.status(nil)
  io.stderr:write("bytenite-secrets: ", (words:gsub("[^\n]+", text.clean)), "\n")
end

---A note that only people care for.
---@param words string
function terminal.remark(words)
  if terminal.is(STDERR) then terminal.note(words) end
end

---Waits in steps, between which Lua notices Ctrl-C.
---@param fd integer? nil waits for nothing but the time
---@param seconds number
---@return boolean readable there is something to be read from fd
function terminal.wait(fd, seconds)
  local ends = core.monotonic() + seconds
  local left = seconds
  repeat
    if core.poll(fd, math.min(left, LONGEST_POLL)) then return true end
    left = ends - core.monotonic()
  until left <= 0
  return false
end

---Waits for as long as it takes.
---@param fd integer
function terminal.wait_for_input(fd)
  while not core.poll(fd, LONGEST_POLL) do end
end

---Ends the command where there is nobody to be asked.
function terminal.check_confirms()
  if not (terminal.is(STDIN) and terminal.is(STDERR)) then
    exit.fail(exit.USAGE, "there is no terminal to ask on; --yes goes on without asking")
  end
end

-- Lines that were typed before the question are no answer to it.
local function drop_lines()
  for _ = 1, MOST_LINES do
    if not (core.poll(STDIN, 0) and io.read()) then return end
  end
end

---Asks for consent; ends the command without it.
---@param question string
function terminal.confirm(question)
  drop_lines()
  io.stderr:write(question, " [y/N] ")
  terminal.wait_for_input(STDIN)
  local answer = io.read()
  if not answer then io.stderr:write("\n") end
  if not (answer or ""):lower():find("^%s*y") then exit.fail(exit.OTHER, "nothing was changed") end
end

return terminal
