-- Many puts or deletes at once. Workers, one coroutine for each item that may be under way, take
-- items and run the same straight-line code that single calls run. Where it would wait, a worker
-- yields to the driver, which is the coroutine of the caller: only there anything waits, and only
-- there functions are called that users gave.

local arguments = require "bytenite.secrets.arguments"
local config = require "bytenite.secrets.config"
local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"

---@class bytenite.secrets.BulkOptions
---@field concurrency integer? items at once, 1 to 256; the client's setting by default
---@field stop_on_error boolean? starts no further item after the first that failed
---@field deadline number? seconds for all of it; each item has the client's deadline besides
---@field on_progress (fun(done: integer, total: integer?))? called after each item; total is nil
--- when the items come from a function

---@class bytenite.secrets.DeleteBulkOptions: bytenite.secrets.BulkOptions
---@field missing_ok boolean? a secret that is not there is a success with absent = true

---@class bytenite.secrets.Result
---@field ok boolean
---@field op string as Error.op
---@field receipt bytenite.secrets.Receipt?
---@field err bytenite.secrets.Error?

---@class bytenite.secrets.Report
---@field ok boolean all items succeeded
---@field done integer items that succeeded
---@field failed integer items that did not, those that were never started included
---@field results bytenite.secrets.Result[] in the order of the items

local OPTIONS = {
  concurrency = arguments.whole(1, config.MOST_AT_ONCE),
  stop_on_error = arguments.of_type("boolean"),
  deadline = arguments.seconds(),
  on_progress = arguments.of_type("function"),
}

local DELETE_OPTIONS = { missing_ok = arguments.of_type("boolean") }
for name, check in pairs(OPTIONS) do
  DELETE_OPTIONS[name] = check
end

local IDLE = 1 -- seconds that the driver waits at most before it looks around

local Bulk = { blocks = false }
Bulk.__index = Bulk

-- What a worker waits for: it yields a Call of the core and the time until which, or only the
-- time, or a function to be called with two arguments --------------------------------------------

function Bulk.pause(_, _, pending, seconds)
  coroutine.yield(pending, seconds and core.monotonic() + seconds)
end

function Bulk.sleep(_, seconds)
  return coroutine.yield(nil, core.monotonic() + seconds)
end

function Bulk.invoke(_, f, a, b)
  return coroutine.yield(f, a, b)
end

function Bulk:driver()
  return self.thread
end

-- Where the driver blocks, nobody but its own workers goes on.
function Bulk:may_await(owner)
  return owner.waiting == self or not self.waiting.blocks and self.waiting:may_await(owner)
end

-- An error ends the whole bulk call, see Bulk:run.
function Bulk.protect(_, f, ...)
  return true, f(...)
end

-- Workers ----------------------------------------------------------------------------------------

---@return integer? index nil when there are no more, or no more are to be begun
---@return any item
local function next_item(self)
  if self.stopped or self.client.core ~= self.core then return nil end
  if self.limits.ends and core.monotonic() >= self.limits.ends then return nil end
  local index = self.taken + 1
  local item
  if self.total then
    item = self.items[index]
    self.stopped = index > self.total
  else
    item = self:invoke(self.items)
    self.exhausted = item == nil
    self.stopped = self.exhausted
  end
  if self.stopped then return nil end
  self.taken = index
  return index, item
end

local function settle(self, index, op, receipt, err)
  self.results[index] = { ok = err == nil, op = op, receipt = receipt, err = err }
  if err then
    self.failed = self.failed + 1
    if self.stop_on_error then self.stopped = true end
  else
    self.done = self.done + 1
  end
  if self.on_progress then self:invoke(self.on_progress, self.done + self.failed, self.total) end
end

local function work(self)
  local index, item = next_item(self)
  while index do
    settle(self, index, self.operate(self, item))
    index, item = next_item(self)
  end
end

-- The driver -------------------------------------------------------------------------------------

-- Lets a worker go on until it waits for something, or has no more to do, and yields nothing.
local function resume(self, worker, ...)
  local ok, what, a, b = coroutine.resume(worker.thread, ...)
  while ok and type(what) == "function" do
    ok, what, a, b = coroutine.resume(worker.thread, what(a, b))
  end
  if not ok then error(what, 0) end
  worker.wake_at = a
  if what then
    if a then self.timed = self.timed + 1 end
    local last = #self.pendings + 1
    self.pendings[last], self.waiters[last] = what, worker
  elseif a then
    self.sleepers[#self.sleepers + 1] = worker
  end
end

local function take_out(list, index)
  local last = #list
  local taken = list[index]
  list[index] = list[last]
  list[last] = nil
  return taken
end

local function resume_waiter(self, index)
  local worker = take_out(self.waiters, index)
  take_out(self.pendings, index)
  if worker.wake_at then self.timed = self.timed - 1 end
  resume(self, worker)
end

-- The index of one whose time is up, else how long there is until the next one's.
---@return integer?
---@return number? seconds
local function due(workers, now)
  local seconds = IDLE
  for index, worker in ipairs(workers) do
    local left = worker.wake_at and worker.wake_at - now or IDLE
    if left <= 0 then return index end
    seconds = math.min(seconds, left)
  end
  return nil, seconds
end

-- Resumes one whose time is up.
---@return number? seconds nil when one was resumed, else how long there is until the next one's,
--- over 0
local function wake(self)
  if #self.sleepers == 0 and self.timed == 0 then return IDLE end
  local now = core.monotonic()
  local index, until_sleeper = due(self.sleepers, now)
  if index then
    resume(self, take_out(self.sleepers, index), true)
    return nil
  end
  local until_waiter
  index, until_waiter = due(self.waiters, now)
  if index then
    resume_waiter(self, index)
    return nil
  end
  return math.max(math.min(until_sleeper, until_waiter), 0.001)
end

-- Calls under way end as cancelled, and so do those between two attempts; they begin nothing more.
-- Those that have ended keep their answer.
local function interrupt(self)
  self.stopped, self.interrupted = true, true
  for _, pending in ipairs(self.pendings) do
    if not pending:done() then pending:cancel() end
  end
  while #self.sleepers > 0 do
    resume(self, take_out(self.sleepers, #self.sleepers), false)
  end
end

local function drive(self, workers)
  for _ = 1, workers do
    if self.stopped then break end
    resume(self, { thread = coroutine.create(work) }, self)
  end
  local from = 1 -- where to look first: those before have most likely not ended
  while #self.pendings + #self.sleepers > 0 do
    local seconds = wake(self)
    if seconds then
      local index = self.waiting:first(self.core, self.pendings, seconds, from)
      from = index or 1
      if index then
        resume_waiter(self, index)
      elseif index == false then
        interrupt(self)
      end
    end
  end
end

-- Before and after -------------------------------------------------------------------------------

local function why_not_started(self)
  if self.limits.ends and core.monotonic() >= self.limits.ends then
    return "it was never started: the deadline of the bulk call has passed"
  elseif self.stop_on_error and self.failed > 0 then
    return "it was never started: an item before it failed"
  end
  return "it was never started: the bulk call was interrupted"
end

local function fail_unstarted(self, item, why)
  local op = self.name_of(item)
  local err = errors.new {
    kind = "cancelled",
    op = op,
    message = why,
    hint = "run it again for this item",
    retryable = true,
  }
  self.taken = self.taken + 1
  self.results[self.taken] = { ok = false, op = op, err = err }
  self.failed = self.failed + 1
end

-- A function is not asked for all that it still has; for one more item it is, where nothing else
-- would tell that there are any.
local function fail_rest(self)
  local why = why_not_started(self)
  if self.total then
    for index = self.taken + 1, self.total do
      fail_unstarted(self, self.items[index], why)
    end
  elseif self.failed == 0 and not self.exhausted then
    local item = self.items()
    if item ~= nil then fail_unstarted(self, item, why) end
  end
end

local function run(self, workers)
  local ok, err = pcall(drive, self, workers)
  if not ok then
    for _, pending in ipairs(self.pendings) do
      pending:cancel()
    end
    self.client.session:abandon(self)
    error(err, 0)
  end
  fail_rest(self)
  return { ok = self.failed == 0, done = self.done, failed = self.failed, results = self.results }
end

local bulk = {}

---@param options bytenite.secrets.BulkOptions?
---@param name string of the public function
---@return bytenite.secrets.BulkOptions never nil
function bulk.check_options(options, name)
  return (arguments.options(options, OPTIONS, name, 1)) -- a tail call would leave out a level
end

---@param options bytenite.secrets.DeleteBulkOptions?
---@param name string of the public function
---@return bytenite.secrets.DeleteBulkOptions never nil
function bulk.check_delete_options(options, name)
  return (arguments.options(options, DELETE_OPTIONS, name, 1))
end

-- Whether no function of a user is called while it runs, which could change an item.
local function is_undisturbed(client, items, options)
  local settings = client.settings
  if not client.waiting.undisturbed or options.on_progress or type(items) == "function"
    or client.on_event or type(settings.credential.value) == "function" then
    return false
  end
  for index = 1, #items do
    if type(items[index].secretKey) == "function" then return false end
  end
  return true
end

---Operates on all items.
---@param client bytenite.secrets.Client
---@param items any[]|fun(): any
---@param options bytenite.secrets.DeleteBulkOptions
---@param name_of fun(item: any): string the op of an item
---@param operate fun(way: table, item: any): string, bytenite.secrets.Receipt?,
--- bytenite.secrets.Error? in a worker: op, receipt, err
---@return bytenite.secrets.Report
function bulk.run(client, items, options, name_of, operate)
  local total = type(items) == "table" and #items or nil
  local self = setmetatable({
    client = client,
    core = client.core,
    waiting = client.waiting,
    undisturbed = is_undisturbed(client, items, options),
    thread = coroutine.running() or "main",
    items = items,
    total = total,
    name_of = name_of,
    operate = operate,
    stop_on_error = options.stop_on_error,
    on_progress = options.on_progress,
    missing_ok = options.missing_ok, -- of deletes
    limits = { ends = options.deadline and core.monotonic() + options.deadline },
    taken = 0, -- items that were begun
    done = 0,
    failed = 0,
    stopped = false, -- no more items are begun
    exhausted = false, -- the function has no more
    interrupted = false, -- and no more exchanges
    results = {},
    pendings = {}, -- what workers wait for, and
    waiters = {}, -- at the same index, who does
    sleepers = {},
    timed = 0, -- waiters that also wait for a time
  }, Bulk)
  local concurrency = options.concurrency or client.settings.values.concurrency
  return run(self, math.min(concurrency, total or concurrency))
end

return bulk
