-- Standard output, with what can go wrong there.

local exit = require "bytenite.secrets.cli.exit"

local EPIPE = 32

local output = {}

local function check(written, message, number)
  if written then return end
  -- Whoever read went away, and knows.
  if number == EPIPE then exit.fail(exit.OTHER) end
  exit.fail(exit.OTHER, "standard output: " .. message)
end

---@param text string
function output.write(text)
  check(io.stdout:write(text))
end

---@param text string
function output.line(text)
  output.write(text .. "\n")
end

---Sees to it that all has been written.
function output.flush()
  check(io.stdout:flush())
end

return output
