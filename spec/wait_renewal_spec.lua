-- Calls of many coroutines that need a token at the same time share one exchange of the key.

local core = require "bytenite.secrets.core"
local event_loop = require "event_loop"
local faults = require "faults"
local service = require "service"

if not event_loop.works then return end

local DELAY = 0.6 * faults.SLOW

local emulator, client, loop

local function connect(options)
  client = service.open(options, { wait = loop.wait })
end

local function count(kind)
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    local is_exchange = request.path:find("access_token", 1, true) ~= nil
    if is_exchange == (kind == "exchange") then found = found + 1 end
  end
  return found
end

-- Starts so many calls; the array fills with { value, err } as they end.
local function start_calls(number, limits)
  local results = {}
  for _ = 1, number do
    loop:start(function()
      local list, err = client:list(nil, limits)
      results[#results + 1] = { list, err }
    end)
  end
  return results
end

local function assert_all_well(results, number)
  assert.equal(number, #results)
  for _, result in ipairs(results) do
    assert.same({}, result[1], tostring(result[2]))
  end
end

local function run_until_exchange()
  loop:run_until(function() return count "exchange" == 1 end)
end

-- A task in the middle of the exchange, which others wait for then.
local function start_owner(call)
  emulator:fail { op = "authenticate", delay = DELAY }
  local owner = loop:start(call or function() return client:list() end)
  run_until_exchange()
  return owner
end

describe("Calls that share a renewal", function()
  before_each(function()
    loop = event_loop.new()
    emulator = service.start()
    connect()
  end)

  after_each(function()
    service.release()
    emulator, client, loop = nil, nil, nil
  end)

  it("exchange the key once", function()
    local results = start_calls(50)
    loop:run()
    assert_all_well(results, 50)
    assert.equal(1, count "exchange")
    assert.equal(50, count "list")
  end)

  it("exchange it once more when the token is revoked", function()
    assert(loop:call(client.list, client))
    local port = tonumber(emulator.url:match("%d+$"))
    emulator:stop()
    emulator = service.start { port = port, api_key = emulator.api_key }
    local results = start_calls(50)
    loop:run()
    assert_all_well(results, 50)
    assert.equal(1, count "exchange")
    assert.is_true(count "list" > 50)
  end)

  it("fail together when the key is refused", function()
    connect { api_key = "wrong" }
    local results = start_calls(50)
    local bulk
    loop:start(function()
      bulk = client:put_all { { secret = { id = "k", secretType = "s3" }, secretKey = "x" } }
    end)
    loop:run()
    assert.equal(1, count "exchange")
    assert.equal(0, count "list")
    local sends = 0
    for _, result in ipairs(results) do
      local err = result[2]
      assert.same({ "unauthorized", "list", 401 }, { err.kind, err.op, err.status })
      sends = sends + err.sends
    end
    assert.equal(1, sends)
    assert.equal("put s3/k", bulk.results[1].err.op)
    assert.equal("unauthorized", bulk.results[1].err.kind)
  end)

  it("fail together when the exchange fails for good", function()
    emulator:fail { op = "authenticate", status = 503, delay = DELAY }
    local results = start_calls(20, { retries = 0 })
    loop:run()
    assert.equal(1, count "exchange")
    for _, result in ipairs(results) do
      assert.equal("unavailable", result[2].kind)
    end
  end)

  it("are those of bulk calls too", function()
    emulator:fail { op = "authenticate", delay = DELAY }
    local function put(prefix)
      local items = {}
      for number = 1, 10 do
        items[number] = { secret = { id = prefix .. number, secretType = "s3" }, secretKey = "x" }
      end
      return client:put_all(items, { concurrency = 4 })
    end
    local reports = { loop:start(put, "a"), loop:start(put, "b") }
    local results = start_calls(5)
    loop:run()
    assert.equal(5, #results)
    for _, task in ipairs(reports) do
      assert.equal(10, task.results[1].done)
    end
    assert.equal(1, count "exchange")
  end)

  it("are those beside an authenticate", function()
    local owner = start_owner(function() return client:authenticate() end)
    local results = start_calls(5)
    loop:run()
    assert_all_well(results, 5)
    assert.equal(3600, owner.results[1].expiresIn)
    assert.equal(1, count "exchange")
  end)

  it("wait for an api_key function that waits itself", function()
    local asked = 0
    connect {
      api_key = function()
        asked = asked + 1
        loop:sleep(DELAY)
        return emulator.api_key
      end,
    }
    local results = start_calls(20)
    loop:run()
    assert_all_well(results, 20)
    assert.equal(1, asked)
  end)

  describe("go on without the one that began it", function()
    local function check(exchanges, number)
      local results = start_calls(number or 5, { deadline = 20 * faults.SLOW })
      loop:step()
      return function()
        local started = core.monotonic()
        loop:run()
        assert_all_well(results, number or 5)
        assert.equal(exchanges, count "exchange")
        assert.is_true(core.monotonic() - started < 10 * faults.SLOW)
      end
    end

    it("when its wait raises", function()
      local problem, armed, owner = { "stop" }, false, nil
      connect {
        -- libcurl decides how often the exchange waits, so the wait that is going on raises.
        wait = function(...)
          loop.wait(...)
          if armed and coroutine.running() == owner then error(problem) end
        end,
      }
      local raised
      start_owner(function()
        owner = coroutine.running()
        raised = select(2, pcall(client.list, client))
      end)
      local finish = check(2)
      armed = true
      finish()
      assert.equal(problem, raised)
    end)

    for _, name in ipairs { "attempt", "renewal" } do
      it("when on_event raises at the event " .. name, function()
        local problem, armed = { "stop" }, true
        connect {
          on_event = function(event)
            if event.event ~= name or not armed then return end
            armed = false
            error(problem)
          end,
        }
        local raised
        start_owner(function() raised = select(2, pcall(client.list, client)) end)
        check(name == "attempt" and 2 or 1)()
        assert.equal(problem, raised)
      end)
    end

    it("when its api_key function raises", function()
      local asked = 0
      connect {
        api_key = function()
          asked = asked + 1
          loop:sleep(DELAY)
          return asked == 1 and error({}) or emulator.api_key
        end,
      }
      loop:start(pcall, client.list, client)
      loop:step()
      check(1)()
      assert.equal(2, asked)
    end)

    it("when it is collected as garbage", function()
      local owner = start_owner()
      local finish = check(2)
      loop:drop(owner)
      owner.thread = nil
      collectgarbage()
      collectgarbage()
      finish()
    end)

    it("when it is a bulk call that is collected as garbage", function()
      local owner = start_owner(function()
        return client:put_all { { secret = { id = "k", secretType = "s3" }, secretKey = "x" } }
      end)
      local finish = check(2)
      loop:drop(owner)
      owner.thread = nil
      collectgarbage()
      collectgarbage()
      finish()
      assert.same({}, emulator:secrets())
    end)

    it("when it is a bulk call one of whose functions raises", function()
      local problem = { "stop" }
      local raised
      emulator:fail { op = "authenticate", delay = DELAY }
      loop:start(function()
        local good = { secret = { id = "k", secretType = "s3" }, secretKey = "x" }
        local bad = { secret = { id = "..", secretType = "s3" }, secretKey = "x" }
        raised = select(2, pcall(client.put_all, client, { good, bad }, {
          on_progress = function()
            loop:sleep(DELAY / 2)
            error(problem)
          end,
        }))
      end)
      check(2)()
      assert.equal(problem, raised)
      assert.same({}, emulator:secrets())
    end)

    if coroutine.close then -- luacheck: ignore
      it("when it is closed", function()
        local owner = start_owner()
        local finish = check(2)
        loop:drop(owner)
        coroutine.close(owner.thread) -- luacheck: ignore
        owner = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        finish()
      end)
    end

    it("when it has less time", function()
      local owner = start_owner(function()
        return client:list(nil, { deadline = DELAY / 2 })
      end)
      check(2)()
      assert.equal("timeout", owner.results[2].kind)
    end)

    it("when it has fewer retries", function()
      emulator:fail { op = "authenticate", delay = DELAY, status = 502 }
      local owner = loop:start(function()
        return client:list(nil, { retries = 0 })
      end)
      run_until_exchange()
      check(2)()
      assert.equal("unavailable", owner.results[2].kind)
    end)

    it("when it is no longer resumed, by its deadline", function()
      local owner = start_owner(function()
        return client:list(nil, { deadline = DELAY })
      end)
      local finish = check(2)
      loop:drop(owner)
      finish()
      assert.equal("suspended", coroutine.status(owner.thread))
    end)

    it("and are cancelled when the client is closed", function()
      start_owner()
      local results = start_calls(5)
      loop:step()
      client:close()
      loop:run()
      for _, result in ipairs(results) do
        assert.same({ "cancelled", "list", 0 }, { result[2].kind, result[2].op, result[2].sends })
      end
      assert.equal(1, count "exchange")
    end)
  end)

  it("count each of their attempts once, when their time is up after a 401", function()
    assert(loop:call(client.list, client))
    emulator:fail { op = "list", status = 401, delay = DELAY / 10, times = 2 }
    emulator:fail { op = "authenticate", delay = 2 * DELAY }
    start_calls(1)
    local results = start_calls(1, { deadline = DELAY })
    loop:run()
    local err = results[1][2]
    assert.same({ "timeout", 1, 1 }, { err.kind, err.attempts, err.sends })
    assert.equal(2, count "exchange")
  end)

  it("do not wait for themselves", function()
    -- Each of these functions is called by the call that renews, and calls in its turn.
    local inner = {}
    local depth = 0
    connect {
      on_event = function(event)
        if event.event ~= "attempt" or depth > 0 then return end
        depth = depth + 1
        local list = assert(client:list())
        inner[#inner + 1] = list
      end,
    }
    assert.same({}, loop:call(client.list, client))
    assert.equal(1, #inner)
    assert.equal(2, count "exchange")
  end)
end)
