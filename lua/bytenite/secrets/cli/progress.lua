-- A bar that grows while many secrets are written, where there is a terminal for it.

local core = require "bytenite.secrets.core"
local terminal = require "bytenite.secrets.cli.terminal"

local WIDTH = 30
local INTERVAL = 0.1 -- seconds between two pictures

-- One column stays free, where some terminals begin a new line.
local function picture(done, total)
  local counts = ("%d/%d"):format(done, total)
  local columns = terminal.width(terminal.STDERR) or math.huge
  local width = math.min(WIDTH, columns - #("[] %d/%d "):format(total, total))
  if width < 1 then return counts end
  local filled = math.floor(width * done / total)
  return ("[%s%s] %s"):format(("#"):rep(filled), ("."):rep(width - filled), counts)
end

---@return fun(done: integer, total: integer) on_progress
return function()
  local drawn_at = -math.huge
  return function(done, total)
    local now = core.monotonic()
    if now - drawn_at < INTERVAL and done < total then return end
    drawn_at = now
    terminal.status(picture(done, total))
  end
end
