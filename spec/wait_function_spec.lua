-- What a wait function, its coroutine or its loop may do.

local core = require "bytenite.secrets.core"
local event_loop = require "event_loop"
local faults = require "faults"
local service = require "service"
local socket = require "socket"

if not event_loop.works then return end

local RECORD = { id = "my-key", secretType = "s3" }

local emulator, client, loop

local function connect(options)
  client = service.open(options, { wait = loop.wait })
  return client
end

local function count(method)
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    if request.method == method and request.path:find("/secrets", 1, true) then
      found = found + 1
    end
  end
  return found
end

local function items(number)
  local list = {}
  for position = 1, number do
    list[position] = { secret = { id = "key-" .. position, secretType = "s3" }, secretKey = "x" }
  end
  return list
end

-- All that a client does, in the running coroutine.
local function work_through()
  assert(client:put(RECORD, "key"))
  assert.equal("my-key", assert(client:list())[1].id)
  assert.equal("my-key", client:get("s3", "my-key").id)
  assert(client:rotate("s3", "my-key", "new"))
  assert.equal(9, client:put_all(items(9), { concurrency = 4 }).done)
  assert.equal(10, client:delete_all(client:list(), { concurrency = 4 }).done)
  emulator:fail { op = "list", status = 502 }
  assert.same({}, client:list())
  emulator:fail { op = "put", delay = 60 }
  local started = core.monotonic()
  local _, err = client:put(RECORD, "key", { deadline = 0.3 * faults.SLOW })
  faults.assert_in_time(core.monotonic() - started, 0.3 * faults.SLOW)
  assert.same({ "timeout", true }, { err.kind, err.ambiguous })
end

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("A wait function", function()
  before_each(function()
    loop = event_loop.new()
    emulator = service.start()
    connect()
  end)

  after_each(function()
    service.release()
    emulator, client, loop = nil, nil, nil
  end)

  it("may block, in the main thread", function()
    connect {
      wait = function(fd, seconds)
        socket.select(fd and { { getfd = function() return fd end } }, nil, seconds)
      end,
    }
    work_through()
    local listed
    assert(client:put_all(items(3), { on_progress = function() listed = client:list() end }))
    assert.equal(3 + 1, #listed)
  end)

  it("may return early, always", function()
    connect { wait = function() end }
    work_through()
    loop:call(work_through)
  end)

  it("may return early, always, in many coroutines by turns", function()
    connect { wait = function() coroutine.yield() end }
    emulator:fail { op = "list", delay = 0.05, times = 20 }
    local threads, done = {}, 0
    for number = 1, 20 do
      threads[number] = coroutine.create(function()
        assert(client:list())
        done = done + 1
      end)
    end
    while #threads > 0 do
      local thread = table.remove(threads, 1)
      assert(coroutine.resume(thread))
      if coroutine.status(thread) ~= "dead" then threads[#threads + 1] = thread end
    end
    assert.equal(20, done)
    assert.equal(20, count "GET")
  end)

  it("may return late", function()
    connect {
      wait = function(fd, seconds)
        loop.wait(fd, seconds)
        socket.sleep(0.02)
      end,
    }
    local tasks = {}
    for number = 1, 5 do
      tasks[number] = loop:start(client.list, client)
    end
    loop:run()
    for _, task in ipairs(tasks) do
      assert.same({}, task.results[1])
    end
    assert.equal(9, loop:call(client.put_all, client, items(9)).done)
  end)

  it("may return later than the deadline", function()
    connect { wait = function() socket.sleep(0.3) end }
    assert(client:list(nil, { deadline = 5 }))
    local list, err = client:list(nil, { deadline = 0.1, retries = 0 })
    assert.is_true(list ~= nil or err.kind == "timeout")
    assert(client:list(nil, { deadline = 5 }))
  end)

  it("may return anything", function()
    connect {
      wait = function(...)
        loop.wait(...)
        return false, "timeout"
      end,
    }
    loop:call(work_through)
  end)

  it("may raise; the exchange is over, and the error goes on", function()
    local problem, armed = { "stop" }, false
    connect {
      wait = function(...)
        loop.wait(...)
        if armed then error(problem) end
      end,
    }
    for _, delay in ipairs { 0, 0.3 } do
      emulator:fail { op = "put", delay = 0.2, times = 5 }
      local errors = {}
      for number = 1, 5 do
        loop:start(function()
          errors[number] = select(2, pcall(client.put, client, RECORD, "x"))
        end)
      end
      local puts = count "POST"
      loop:run_until(function() return count "POST" == puts + 5 end)
      socket.sleep(delay) -- until nothing has come yet, or all answers
      armed = true
      loop:run()
      armed = false
      for number = 1, 5 do
        assert.equal(problem, errors[number])
      end
      socket.sleep(0.3)
      assert(loop:call(client.list, client))
      assert.equal(puts + 5, count "POST")
    end
  end)

  it("may raise in the wait for a retry", function()
    local problem = { "stop" }
    connect {
      wait = function(fd, ...)
        if not fd then error(problem) end
        return loop.wait(fd, ...)
      end,
    }
    emulator:fail { op = "list", status = 503, headers = { ["Retry-After"] = "1" } }
    local _, raised = pcall(loop.call, loop, client.list, client)
    assert.equal(problem, raised)
    assert(loop:call(client.list, client))
    assert.equal(2, count "GET")
  end)
end)

describe("A coroutine that waits", function()
  before_each(function()
    loop = event_loop.new()
    emulator = service.start()
    connect()
    assert(loop:call(client.authenticate, client))
  end)

  after_each(function()
    service.release()
    emulator, client, loop = nil, nil, nil
  end)

  -- Each with how many requests it has under way.
  local CALLS = {
    put = { 1, function() return client:put(RECORD, ("key"):rep(1000)) end },
    rotate = { 1, function() return client:rotate("s3", "my-key", "x") end },
    put_all = { 4, function() return client:put_all(items(8), { concurrency = 4 }) end },
  }

  for name, call in pairs(CALLS) do
    it("may be collected as garbage; its exchange ends: " .. name, function()
      assert(loop:call(client.put, client, RECORD, "x"))
      local kept = faults.descriptors() + 2 * 3 -- both ends of connections for later calls
      emulator:fail { delay = 0.3, times = math.huge }
      local heap
      for round = 1, 4 do
        local sent = #emulator:requests() + call[1]
        local task = loop:start(call[2])
        loop:run_until(function() return #emulator:requests() == sent end)
        loop:drop(task)
        task = nil -- luacheck: ignore
        collect()
        assert(loop:call(client.list, client))
        assert.is_true(faults.eventually(function()
          return faults.descriptors() <= kept
        end))
        assert.equal(sent + 1, #emulator:requests())
        collect()
        if round == 2 then heap = collectgarbage("count") end
      end
      client:close()
      assert.is_true(faults.eventually(function()
        return faults.descriptors() <= kept - 2 * 3 - 2 - 2 -- the connection and the descriptor
      end))
      assert.is_true(collectgarbage("count") - heap < 50)
    end)
  end

  it("ends with an error when the client is closed by another one", function()
    emulator:fail { delay = 60, times = 7 }
    local errors = {}
    local function start(op, call)
      loop:start(function()
        errors[op] = select(2, call())
      end)
    end
    start("list", function() return client:list() end)
    start("put", function() return client:put(RECORD, "x") end)
    start("delete", function() return client:delete("s3", "my-key") end)
    start("authenticate", function() return client:authenticate() end)
    local report
    loop:start(function()
      report = client:put_all(items(9), { concurrency = 3 })
    end)
    loop:run_until(function() return #emulator:requests() == 8 end)
    client:close()
    local started = core.monotonic()
    loop:run()
    assert.is_true(core.monotonic() - started < 2 * faults.SLOW)
    for op, err in pairs(errors) do
      assert.same({ "cancelled", op == "put" or op == "delete", 1 },
        { err.kind, err.ambiguous, err.sends })
    end
    assert.equal(9, report.failed)
    for position, result in ipairs(report.results) do
      assert.same({ "cancelled", position <= 3, position <= 3 and 1 or 0 },
        { result.err.kind, result.err.ambiguous, result.err.sends })
    end
    assert.equal(8, #emulator:requests())
    assert.has_error(function() client:list() end, "list: the client is closed")
  end)

  it("ends when the client is closed while it waits for a retry", function()
    emulator:fail { status = 503, headers = { ["Retry-After"] = "1" } }
    local err
    loop:start(function() err = select(2, client:list()) end)
    loop:run_until(function() return count "GET" == 1 end)
    client:close()
    loop:run()
    assert.equal("cancelled", err.kind)
    assert.equal(1, count "GET")
  end)

  it("may be of another client, with its own descriptor", function()
    local first = client
    local second = connect()
    local fds = {}
    emulator:fail { delay = 0.1, times = 2 }
    for _, one in ipairs { first, second } do
      loop:start(function()
        fds[one] = one.core:run()
        assert(one:list())
      end)
    end
    loop:run()
    assert.are_not.equal(fds[first], fds[second])
  end)
end)
