local core = require "bytenite.secrets.core"
local event_loop = require "event_loop"
local faults = require "faults"
local raw_server = require "raw_server"
local service = require "service"
local socket = require "socket"

local RECORD = { id = "my-key", secretType = "s3", name = "before" }
local TICK = 0.005

if not event_loop.works then return end

local emulator, client, loop

local function connect(options)
  client = service.open(options, { wait = loop.wait })
end

local function traffic()
  local found = {}
  for position, request in ipairs(emulator:requests()) do
    found[position] = request.path:find("access_token", 1, true) and "exchange" or request.method
  end
  return table.concat(found, " ")
end

local function is_readable(fd)
  local subject = { getfd = function() return fd end }
  return socket.select({ subject }, nil, 0)[subject] ~= nil
end

-- Every operation, in an order in which each succeeds.
local OPERATIONS = {
  { "authenticate", function() return client:authenticate() end },
  { "put", function() return client:put(RECORD, "key") end },
  { "list", function() return client:list() end },
  { "get", function() return client:get("s3", "my-key") end },
  { "rotate", function() return client:rotate("s3", "my-key", function() return "new" end) end },
  { "delete", function() return client:delete("s3", "my-key") end },
  { "put_all", function()
    local item = { secret = RECORD, secretKey = "a" }
    return client:put_all { item, item }
  end },
  { "delete_all", function() return client:delete_all { RECORD } end },
}

describe("A client with wait", function()
  before_each(function()
    loop = event_loop.new()
    emulator = service.start()
    connect()
  end)

  after_each(function()
    service.release()
    emulator, client, loop = nil, nil, nil
  end)

  it("does all that it does without, and waits in the coroutine that called it", function()
    local caller, waits
    connect {
      wait = function(fd, seconds, ...)
        assert.equal(caller, coroutine.running())
        assert.equal(0, select("#", ...))
        assert.equal("number", type(fd))
        assert.is_true(seconds >= 0 and seconds <= 3600)
        waits = waits + 1
        return loop.wait(fd, seconds)
      end,
    }
    emulator:fail { delay = 0.01, times = math.huge }
    for _, operation in ipairs(OPERATIONS) do
      local name, call = operation[1], operation[2]
      waits = 0
      local value, err = loop:call(function()
        caller = coroutine.running()
        return call()
      end)
      assert.is_nil(err, name)
      assert.is_true(value.ok ~= false, name)
      assert.is_true(waits > 0, name)
    end
    assert.equal("exchange POST GET GET GET POST DELETE POST POST DELETE", traffic())
  end)

  it("waits for retries without a descriptor", function()
    local pauses = {}
    connect {
      wait = function(fd, seconds)
        if not fd then pauses[#pauses + 1] = seconds end
        return loop.wait(fd, seconds)
      end,
    }
    emulator:fail { op = "list", status = 503, headers = { ["Retry-After"] = "1" } }
    local started = core.monotonic()
    assert.same({}, loop:call(client.list, client))
    assert.is_true(core.monotonic() - started >= 1)
    assert.equal(1, pauses[1])
    assert.equal("exchange GET GET", traffic())
  end)

  it("returns errors as it does without", function()
    local _, err = loop:call(client.delete, client, "s3", "my-key")
    assert.same({ "not_found", "delete s3/my-key", 404, 1, 1 },
      { err.kind, err.op, err.status, err.attempts, err.sends })
    _, err = loop:call(client.put, client, { id = "..", secretType = "s3" }, "x")
    assert.equal("invalid", err.kind)
    emulator:fail { status = 502, times = 2 }
    _, err = loop:call(client.put, client, RECORD, "x", { retries = 1 })
    assert.same({ "unavailable", true, 2, 2 }, { err.kind, err.ambiguous, err.attempts, err.sends })
  end)

  it("lets a call that began later end first", function()
    assert(loop:call(client.put, client, RECORD, "x"))
    emulator:fail { op = "list", delay = 1 }
    local ended, results = {}, {}
    local function call(name, ...)
      results[name] = assert(client:list(...))
      ended[#ended + 1] = name
    end
    loop:start(call, "slow")
    loop:run_until(function() return traffic():find("GET", 1, true) end)
    loop:start(call, "fast", { secretType = "other" })
    loop:run()
    assert.same({ "fast", "slow" }, ended)
    assert.equal("my-key", results.slow[1].id)
    assert.same({}, results.fast)
  end)

  it("lets other timers of the loop tick while 100 calls of 100 ms are under way", function()
    assert(loop:call(client.authenticate, client))
    emulator:fail { op = "list", delay = 0.1, times = 100 }
    local ended, ticks = 0, 0
    loop:every(TICK, function() ticks = ticks + 1 end)
    for _ = 1, 100 do
      loop:start(function()
        assert(client:list())
        ended = ended + 1
      end)
    end
    loop:run()
    assert.equal(100, ended)
    assert.is_true(ticks >= 10, ticks .. " ticks")
  end)

  it("lets them tick while it waits for a retry, and while a server hangs", function()
    local ticks = 0
    loop:every(TICK, function() ticks = ticks + 1 end)
    emulator:fail { op = "list", status = 503, headers = { ["Retry-After"] = "1" } }
    assert(loop:call(client.list, client))
    assert.is_true(ticks >= 20)
    ticks = 0
    emulator:fail { op = "list", delay = 60 }
    local started = core.monotonic()
    local _, err = loop:call(client.list, client, nil, { deadline = 0.5 * faults.SLOW })
    faults.assert_in_time(core.monotonic() - started, 0.5 * faults.SLOW)
    assert.same({ "timeout", 1, 1 }, { err.kind, err.attempts, err.sends })
    assert.is_true(ticks >= 10)
  end)

  it("ends by its deadline where nobody answers a connection", function()
    connect { base_url = "http://127.0.0.1:" .. raw_server.free_port(), retries = 0 }
    local _, err = loop:call(client.put, client, RECORD, "x")
    assert.same({ "network", false, 0 }, { err.kind, err.ambiguous, err.sends })
    local server = service.keep(raw_server.start { { raw_server.hold } })
    connect { base_url = server.url, access_token = "t" }
    local started = core.monotonic()
    _, err = loop:call(client.put, client, RECORD, "x", { deadline = 0.5 * faults.SLOW })
    faults.assert_in_time(core.monotonic() - started, 0.5 * faults.SLOW)
    assert.same({ "timeout", true, 1 }, { err.kind, err.ambiguous, err.sends })
  end)

  describe("has a descriptor", function()
    -- Coroutines that are resumed by hand; each is nil when it has ended.
    local fd, threads, wakes

    local function step(name)
      local ok, seen, seconds = coroutine.resume(threads[name])
      assert.is_true(ok, seen)
      if coroutine.status(threads[name]) == "dead" then
        threads[name] = nil
      else
        fd, wakes = seen, core.monotonic() + seconds
      end
    end

    local function start(name, call)
      threads[name] = coroutine.create(call)
      step(name)
    end

    -- Goes on with it as an event loop would, until it waits for its answer.
    local function settle(name)
      local moved = core.monotonic()
      while threads[name] and core.monotonic() - moved < 0.1 do
        if is_readable(fd) or core.monotonic() >= wakes then
          step(name)
          moved = core.monotonic()
        end
      end
    end

    before_each(function()
      fd, threads = nil, {}
      connect {
        wait = function(...) coroutine.yield(...) end,
      }
      start("first", function() return client:authenticate() end)
      while threads.first do settle "first" end
    end)

    it("that is readable as long as something finished is not collected", function()
      emulator:fail { op = "list", delay = 0.5 * faults.SLOW }
      local lists = {}
      start("slow", function() lists.slow = client:list() end)
      settle "slow"
      assert.is_not_nil(threads.slow)
      assert.is_false(is_readable(fd))
      socket.sleep(0.6 * faults.SLOW)
      assert.is_true(is_readable(fd)) -- the answer has come
      start("fast", function() lists.fast = client:list() end)
      while threads.fast do step "fast" end -- which has moved the other one as well
      assert.same({ fast = {} }, lists)
      assert.is_true(is_readable(fd))
      assert.is_true(is_readable(fd))
      step "slow"
      assert.same({ fast = {}, slow = {} }, lists)
      assert.is_false(is_readable(fd))
      emulator:stop()
    end)

    it("that is not readable when what finished is collected as garbage", function()
      emulator:fail { op = "list", delay = 0.3 * faults.SLOW }
      start("dropped", function() client:list() end)
      settle "dropped"
      assert.is_false(is_readable(fd))
      repeat
        start("other", function() assert(client:list()) end)
        while threads.other do step "other" end
      until is_readable(fd)
      threads.dropped = nil
      collectgarbage()
      collectgarbage()
      assert.is_false(is_readable(fd))
    end)

    it("that is not readable for good when nobody takes what finished", function()
      emulator:fail { op = "list", delay = 0.3 * faults.SLOW }
      emulator:fail { op = "list", delay = 7 * faults.SLOW }
      local lists = {}
      start("forgotten", function() lists.forgotten = client:list() end)
      start("slow", function() lists.slow = client:list() end)
      local spun, calm, longest = false, core.monotonic(), 0
      while threads.slow do
        local now, readable = core.monotonic(), is_readable(fd)
        if readable then spun, calm = true, now end
        if spun then longest = math.max(longest, now - calm) end
        if readable or now >= wakes then step "slow" else socket.sleep(0.01) end
      end
      assert.is_true(spun)
      assert.is_true(longest > 0.5)
      step "forgotten"
      assert.same({ slow = {}, forgotten = {} }, lists)
      assert.is_false(is_readable(fd))
    end)

    it("which stays while anybody waits for it, and goes with the client", function()
      emulator:fail { op = "list", delay = 60 }
      local err
      start("slow", function() err = select(2, client:list()) end)
      settle "slow"
      local before = faults.descriptors()
      client:close()
      assert.is_true(is_readable(fd))
      step "slow"
      assert.equal("cancelled", err.kind)
      assert.is_true(faults.descriptors() <= before - 3) -- the connection and the descriptor's two
    end)
  end)
end)
