-- A small event loop of the kind that hosts have, made of select(2) and coroutines:
--
--   local loop = event_loop.new()
--   loop.wait                    for option wait
--   loop:start(body, ...)        -> task: runs `body` in a coroutine of its own
--   loop:sleep(seconds)          in such a coroutine
--   loop:every(seconds, tick)    -> timer: calls `tick` again and again while the loop runs
--   loop:drop(task)              forgets a task or timer
--   loop:run()                   until all coroutines have ended; raises what they raise
--   loop:run_until(holds)        until a function returns something true
--   loop:call(f, ...)            what f returns in a coroutine of its own, once it has ended
--   loop:step()                  one round: waits for something, then resumes all that are ready
--   event_loop.works             whether this Lua can yield wherever the client waits
--
-- A task that has ended has `results`, an array with field `n`.

local core = require "bytenite.secrets.core"
local socket = require "socket"

local unpack = table.unpack or unpack -- luacheck: ignore

local Loop = {}
Loop.__index = Loop

-- What select of LuaSocket takes for a descriptor.
local function selectable(fd)
  return { getfd = function() return fd end }
end

local function pack(...)
  return { n = select("#", ...), ... } -- there may be nil among them
end

-- Goes on with a task until it waits for something again: it yields a descriptor or nil, and the
-- time when it wants to be resumed in any case.
local function resume(self, task)
  local results = pack(coroutine.resume(task.thread))
  if not results[1] then
    self:drop(task)
    error(results[2], 0)
  end
  if coroutine.status(task.thread) == "dead" then
    self:drop(task)
    task.results = pack(unpack(results, 2, results.n))
  else
    task.fd, task.wakes = results[2], results[3]
  end
end

function Loop:drop(task)
  for position, other in ipairs(self.tasks) do
    if other == task then
      table.remove(self.tasks, position)
      return
    end
  end
end

function Loop:start(body, ...)
  local arguments = pack(...)
  local task = { wakes = 0 }
  task.thread = coroutine.create(function()
    return body(unpack(arguments, 1, arguments.n))
  end)
  self.tasks[#self.tasks + 1] = task
  return task
end

function Loop:every(seconds, tick)
  local timer = self:start(function()
    while true do
      self:sleep(seconds)
      tick()
    end
  end)
  timer.is_timer = true
  return timer
end

function Loop:sleep(seconds)
  self.wait(nil, seconds)
end

-- Seconds until the next task has to be resumed, and what the tasks wait for.
local function survey(self)
  local soonest, readers, subjects = math.huge, {}, {}
  for _, task in ipairs(self.tasks) do
    soonest = math.min(soonest, task.wakes)
    if task.fd and not subjects[task.fd] then
      subjects[task.fd] = selectable(task.fd)
      readers[#readers + 1] = subjects[task.fd]
    end
  end
  return math.max(0, soonest - core.monotonic()), readers, subjects
end

function Loop:step()
  assert(#self.tasks > 0, "nobody is left to be resumed")
  local seconds, readers, subjects = survey(self)
  local readable = socket.select(readers, nil, seconds)
  local now = core.monotonic()
  for _, task in ipairs { unpack(self.tasks) } do
    if task.wakes <= now or (task.fd and readable[subjects[task.fd]]) then resume(self, task) end
  end
end

function Loop:run()
  local function has_tasks()
    for _, task in ipairs(self.tasks) do
      if not task.is_timer then return true end
    end
  end
  while has_tasks() do
    self:step()
  end
end

function Loop:run_until(holds)
  local timer = self:every(0.005, function() end)
  while not holds() do
    self:step()
  end
  self:drop(timer)
end

function Loop:call(f, ...)
  local task = self:start(f, ...)
  self:run()
  return unpack(task.results, 1, task.results.n)
end

local event_loop = { works = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil }

function event_loop.new()
  local self = setmetatable({ tasks = {} }, Loop)
  function self.wait(fd, seconds)
    coroutine.yield(fd, core.monotonic() + seconds)
  end
  return self
end

return event_loop
