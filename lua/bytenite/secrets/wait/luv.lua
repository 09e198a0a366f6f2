-- Waiting in a loop of luv or in Neovim's: `wait = require "bytenite.secrets.wait.luv"`.

local vim = rawget(_G, "vim")
local uv = vim and (vim.uv or vim.loop) or require "luv"

-- By descriptor, those who wait for it and are woken together; libuv allows a descriptor only one
-- handle. { fd =, handle =, timers = { [coroutine] = its timer } }
local groups = {}

-- All of them go on, before an error in one of them does. One may have been closed meanwhile.
local function resume(coroutines)
  local problem
  for waiter in pairs(coroutines) do
    if coroutine.status(waiter) == "suspended" then
      local ok, message = coroutine.resume(waiter)
      problem = problem or not ok and debug.traceback(waiter, tostring(message))
    end
  end
  if problem then error(problem, 0) end
end

-- Neovim's API may not be called from a callback of its loop.
if vim then resume = vim.schedule_wrap(resume) end

-- The handle goes before a coroutine goes on, which may close the descriptor.
local function wake(group)
  if group.fd then
    groups[group.fd] = nil
    group.handle:close()
  end
  for _, timer in pairs(group.timers) do
    timer:close()
  end
  resume(group.timers)
end

local function watch(fd)
  local group = { fd = fd, handle = assert(uv.new_poll(fd)), timers = {} }
  group.handle:start("r", function() wake(group) end)
  groups[fd] = group
  return group
end

---Suspends the running coroutine; the loop resumes it.
---@param fd integer? until this descriptor is readable
---@param seconds number or until this much time is over
return function(fd, seconds)
  local waiter, is_main = coroutine.running()
  if not waiter or is_main then
    error("bytenite.secrets.wait.luv: call the client from a coroutine", 0)
  end
  local group = not fd and { timers = {} } or groups[fd] or watch(fd)
  local timer = uv.new_timer()
  group.timers[waiter] = timer
  uv.update_time() -- a timer counts from when the loop last looked at the clock
  timer:start(math.ceil(seconds * 1000), 0, function() wake(group) end)
  coroutine.yield()
end
