-- A bar that grows while many secrets are written, where there is a terminal for it.

local core = require "bytenite.secrets.core"
local terminal = require "bytenite.secrets.cli.terminal"

local WIDTH = 30
local INTERVAL = 0.1 -- seconds between two pictures

---@return fun(done: integer, total: integer) on_progress
return function()
  local drawn_at = -math.huge
  return function(done, total)
    local now = core.monotonic()
    if now - drawn_at < INTERVAL and done < total then return end
    drawn_at = now
    local filled = math.floor(WIDTH * done / total)
    terminal.status(("[%s%s] %d/%d"):format(("#"):rep(filled), ("."):rep(WIDTH - filled), done,
      total))
  end
end
