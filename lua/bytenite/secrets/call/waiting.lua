-- How calls wait: by blocking, or through the function of option `wait`. Bulk calls, whose items
-- wait for their turn, add a third way.
--
--   waiting.blocks             exchanges are performed, not started and waited for
--   waiting.interrupted        no more of them are to be begun
--   waiting.undisturbed        while a call waits, none of the caller's code runs that could change
--                              what it was given
--   waiting:pause(core_client, pending, seconds?)    until it is done, or the time is up
--   waiting:first(core_client, pendings, seconds, from)    index of one that is done, first looked
--                              for from an index on; nil when the time may be up, false when the
--                              script is to be interrupted
--   waiting:sleep(seconds)     false when the script is to be interrupted
--   waiting:invoke(f, a?, b?)  calls a function that a user gave, and returns what it returns
--
-- and, unless it blocks, what calls that share a renewal need to know of each other:
--
--   waiting:driver()          the coroutine that drives the call, or "main" where it has no name
--   waiting:may_await(owner)  whether the owner of a renewal, its waiting and driver, can go on
--                             while this one waits
--   waiting:protect(f, ...)   as pcall

local core = require "bytenite.secrets.core"

-- Blocking ---------------------------------------------------------------------------------------

local Blocking = { blocks = true, undisturbed = true }
Blocking.__index = Blocking

function Blocking.first(_, core_client, pendings, seconds, from)
  return core_client:poll(pendings, seconds, from)
end

function Blocking.sleep(_, seconds)
  return core.sleep(seconds)
end

function Blocking.invoke(_, f, ...)
  return f(...)
end

function Blocking.may_await()
  return false
end

-- An event loop ----------------------------------------------------------------------------------

local Loop = { blocks = false, invoke = Blocking.invoke }
Loop.__index = Loop

-- The exchange of a call whose wait was broken off must not go on by itself.
local function wait_or_cancel(self, pending, fd, seconds)
  local ok, err = pcall(self.wait, fd, seconds)
  if ok then return end
  pending:cancel()
  error(err, 0)
end

function Loop:pause(core_client, pending, seconds)
  local ends = core.monotonic() + (seconds or math.huge)
  while not pending:done() do
    local left = ends - core.monotonic()
    if left <= 0 then return end
    local fd, patience = core_client:run()
    if pending:done() then return end
    wait_or_cancel(self, pending, fd, math.min(patience, left))
  end
end

function Loop:first(core_client, pendings, seconds, from)
  local index = core.first_done(pendings, from)
  if index then return index end
  local fd, patience = core_client:run()
  index = core.first_done(pendings)
  if index then return index end
  self.wait(fd, math.min(patience, seconds))
  return core.first_done(pendings)
end

function Loop:sleep(seconds)
  local ends = core.monotonic() + seconds
  while seconds > 0 do
    self.wait(nil, seconds)
    seconds = ends - core.monotonic()
  end
  return true
end

-- In LuaJIT the main thread is not told.
function Loop.driver()
  return coroutine.running() or "main"
end

-- Not this coroutine itself, and not those that have resumed it. (In nginx these have yielded too.)
function Loop.may_await(_, owner)
  local driver = owner.driver
  return type(driver) == "thread" and core.has_yielded(driver)
    and coroutine.status(driver) ~= "normal"
end

function Loop.protect(_, f, ...)
  return pcall(f, ...)
end

local waiting = { blocking = setmetatable({}, Blocking) }

---@param wait fun(fd: integer?, seconds: number)
function waiting.through(wait)
  return setmetatable({ wait = wait }, Loop)
end

return waiting
