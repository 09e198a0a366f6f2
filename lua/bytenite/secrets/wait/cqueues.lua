-- Waiting within a loop of cqueues: secrets.new { wait = require "bytenite.secrets.wait.cqueues" }

local cqueues = require "cqueues"

-- By descriptor, the coroutines that wait for it; weak, for those that are never resumed.
local waiting = {}

local function enter(fd, waiter)
  waiting[fd] = waiting[fd] or setmetatable({}, { __mode = "k" })
  waiting[fd][waiter] = true
end

-- cqueues remembers a descriptor until the coroutine yields again, and its number may belong to
-- another file by then: whoever leaves last lets go of it.
local function leave(fd, waiter)
  waiting[fd][waiter] = nil
  if next(waiting[fd]) then return end
  waiting[fd] = nil
  cqueues.cancel(fd)
end

---Suspends the running coroutine of a cqueues loop.
---@param fd integer? until this descriptor is readable
---@param seconds number or until this much time is over
return function(fd, seconds)
  if not cqueues.running() then
    error("bytenite.secrets.wait.cqueues: call the client from a coroutine of a cqueues loop", 0)
  end
  if not fd then return cqueues.sleep(seconds) end
  local waiter = coroutine.running()
  enter(fd, waiter)
  cqueues.poll({ pollfd = fd, events = "r" }, seconds)
  leave(fd, waiter)
end
