-- Programs on a terminal of their own, with what a person at it does and sees.
--
--   local terminal = require("terminal").start("lua", "script.lua")
--   terminal:expect "Password: "   waits until the screen shows it; returns all that came before
--   terminal:type "secret\n"       Ctrl-C is "\3", Ctrl-D "\4", Ctrl-Z "\26"
--   terminal:echoes()              whether it shows what is typed
--   terminal:finish()             waits for the program's end -> status, rest of the screen, echoes
--   terminal:stop()                takes it away, which ends the program; no more after finish
--   terminal.screen                all that it has shown
--
-- The terminal shows a line's end as "\r\n".

local process = require "process"

local SECONDS = 40 * (tonumber(os.getenv("SPEC_SLOW")) or 1)

local terminal = {}
terminal.__index = terminal

---@param ... string program and arguments
function terminal.start(...)
  local pid, fd = process.spawn_on_terminal(...)
  return setmetatable({ pid = pid, fd = fd, unread = "", screen = "" }, terminal)
end

local function read_more(self)
  assert(process.ready(self.fd, SECONDS), "nothing comes; the screen shows: " .. self.unread)
  local text = process.read(self.fd)
  self.unread, self.screen = self.unread .. text, self.screen .. text
  return text ~= ""
end

---@param text string
---@return string before what the screen has shown since the last call, up to the text
function terminal:expect(text)
  local first, last = self.unread:find(text, 1, true)
  while not first do
    assert(read_more(self), "the program has ended; the screen shows: " .. self.unread)
    first, last = self.unread:find(text, 1, true)
  end
  local before = self.unread:sub(1, first - 1)
  self.unread = self.unread:sub(last + 1)
  return before
end

function terminal:type(text)
  while text ~= "" do
    assert(process.ready(self.fd, SECONDS, true), "nobody reads what is typed")
    text = text:sub(process.write(self.fd, text) + 1)
  end
end

---@return boolean
function terminal:echoes()
  return process.echoes(self.fd)
end

-- Waits for the program after its terminal was taken away.
local function close(self)
  process.close(self.fd)
  self.closed = true
  return process.wait(self.pid)
end

---@return integer status minus the signal if one ended it
---@return string screen what it has shown since the last expect
---@return boolean echoes whether the program has left a terminal that shows what is typed
function terminal:finish()
  repeat until not read_more(self)
  local echoes = self:echoes()
  return close(self), self.unread, echoes
end

---@return integer? status if it had not ended
function terminal:stop()
  if self.closed then return end
  return close(self)
end

return terminal
