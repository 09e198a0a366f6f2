-- The adapters of event loops: functions that suspend the running coroutine until a descriptor is
-- readable or the time is up.

local child = require "child"
local cqueues = require "cqueues"
local emulator = require "bytenite.secrets.emulator"
local environment = require "environment"
local event_loop = require "event_loop"
local process = require "process"
local secrets = require "bytenite.secrets"
local uv = require "luv"

local LONG = 30 -- seconds that no test waits for

-- What differs between the loops: `start` gives a coroutine to the loop, `run` runs the loop until
-- there is nothing left for it to do.
local loops = { cqueues = {}, luv = {} }

function loops.cqueues.open()
  loops.cqueues.queue = cqueues.new()
end

function loops.cqueues.start(body)
  loops.cqueues.queue:wrap(body)
end

function loops.cqueues.run()
  assert(loops.cqueues.queue:loop())
end

function loops.luv.open() end

function loops.luv.start(body)
  coroutine.wrap(body)()
end

function loops.luv.run()
  uv.run()
end

for name, loop in pairs(loops) do
  describe("wait." .. name, function()
    local wait = require("bytenite.secrets.wait." .. name)
    local reader, writer

    before_each(function()
      loop.open()
      reader, writer = process.pipe()
    end)

    after_each(function()
      process.close(reader)
      process.close(writer)
    end)

    local function run(...)
      for position = 1, select("#", ...) do
        loop.start((select(position, ...)))
      end
      local started = cqueues.monotime()
      loop.run()
      return cqueues.monotime() - started
    end

    local function write_after(seconds)
      return function()
        wait(nil, seconds)
        process.write(writer, "x")
      end
    end

    it("returns when the descriptor has become readable", function()
      local text
      local elapsed = run(function()
        wait(reader, LONG)
        text = process.read(reader)
      end, write_after(0.02))
      assert.are.equal("x", text)
      assert.is_true(elapsed < LONG / 2)
    end)

    it("returns when the descriptor is readable already", function()
      process.write(writer, "x")
      local elapsed = run(function()
        for _ = 1, 3 do
          wait(reader, LONG)
        end
      end)
      assert.is_true(elapsed < LONG / 2)
    end)

    it("returns when the time is up", function()
      local returned = false
      local elapsed = run(function()
        wait(reader, 0.05)
        returned = true
      end)
      assert.is_true(returned)
      assert.is_true(elapsed > 0.02 and elapsed < LONG / 2)
    end)

    it("takes no time at all when there is none", function()
      local count = 0
      assert.is_true(run(function()
        for _ = 1, 10 do
          wait(reader, 0)
          wait(nil, 0)
          count = count + 1
        end
      end) < LONG / 2)
      assert.are.equal(10, count)
    end)

    it("sleeps without a descriptor, and lets others run meanwhile", function()
      local order = {}
      local function sleeper(seconds, word)
        return function()
          wait(nil, seconds)
          order[#order + 1] = word
        end
      end
      run(sleeper(0.6, "third"), sleeper(0.02, "first"), sleeper(0.3, "second"))
      assert.are.same({ "first", "second", "third" }, order)
    end)

    it("wakes all that wait for one descriptor", function()
      local woken = 0
      local function waiter()
        wait(reader, LONG)
        woken = woken + 1
      end
      assert.is_true(run(waiter, waiter, waiter, write_after(0.02)) < LONG / 2)
      assert.are.equal(3, woken)
    end)

    it("keeps waiting for some when the time of another is up", function()
      local written, late = false, 0
      local function patient()
        repeat
          wait(reader, LONG)
        until written
        late = late + 1
      end
      assert.is_true(run(patient, function()
        wait(reader, 0.02)
        written = true
        process.write(writer, "x")
      end, patient) < LONG / 2)
      assert.are.equal(2, late)
    end)

    it("has let go of the descriptor when it returns, whose number may be used again",
      function()
        local texts = {}
        local number = reader
        assert.is_true(run(function()
          for round = 1, 4 do
            if round % 2 == 0 then process.write(writer, "x") end
            wait(reader, round % 2 == 0 and LONG or 0.01)
            process.close(reader)
            process.close(writer)
            reader, writer = process.pipe()
            assert(reader == number)
          end
          loop.start(write_after(0.02))
          wait(reader, LONG)
          texts[1] = process.read(reader)
        end) < LONG / 2)
        assert.are.same({ "x" }, texts)
      end)

    it("reports what is no descriptor", function()
      if name == "luv" and environment.is_watched() then
        return pending "luv itself then leaks a handle"
      end
      local gone = process.pipe()
      process.close(gone)
      assert.has_error_match(function()
        run(function()
          wait(gone, LONG)
        end)
      end, "[Bb]ad file descriptor")
    end)

    it("raises where there is nothing to suspend", function()
      assert.has_error_match(function()
        wait(reader, LONG)
      end, "^bytenite.secrets.wait." .. name .. ": call the client from a coroutine")
    end)
  end)
end

if not event_loop.works then return end

for name, loop in pairs(loops) do
  describe("A client in a loop of " .. name, function()
    local wait = require("bytenite.secrets.wait." .. name)
    local service, client

    before_each(function()
      loop.open()
      service = assert(emulator.start())
      client = assert(secrets.new {
        base_url = service.url, api_key = service.api_key, ignore_env = true, wait = wait,
      })
    end)

    after_each(function()
      client:close()
      service:stop()
    end)

    it("stores, lists and removes", function()
      local list
      loop.start(function()
        assert(client:put({ id = "a", secretType = "s3" }, "key"))
        list = assert(client:list())
        assert(client:delete("s3", "a"))
      end)
      loop.run()
      assert.are.equal("a", list[1].id)
      assert.are.same({}, service:secrets())
    end)

    it("lets a quick call overtake a slow one", function()
      local order = {}
      service:fail { op = "list", delay = 0.3 }
      loop.start(function()
        assert(client:list())
        order[#order + 1] = "slow"
      end)
      loop.start(function()
        assert(client:put({ id = "a", secretType = "s3" }, "key"))
        order[#order + 1] = "quick"
      end)
      loop.run()
      assert.are.same({ "quick", "slow" }, order)
    end)

    it("makes 100 calls at once with one token, and lets timers tick meanwhile", function()
      local done, ticks = 0, 0
      service:fail { op = "list", times = math.huge, delay = 0.3 }
      for _ = 1, 100 do
        loop.start(function()
          assert(client:list())
          done = done + 1
        end)
      end
      loop.start(function()
        while done < 100 do
          wait(nil, 0.01)
          ticks = ticks + 1
        end
      end)
      local started = cqueues.monotime()
      loop.run()
      assert.is_true(cqueues.monotime() - started < 100 * 0.3 / 2)
      assert.are.equal(101, #service:requests())
      assert.is_true(ticks >= 10)
    end)

    it("retries, and sleeps without its descriptor", function()
      service:fail { op = "list", times = 2, status = 503 }
      loop.start(function()
        assert(client:list())
      end)
      loop.run()
      assert.are.equal(4, #service:requests())
    end)

    it("may be closed while calls wait, which end as cancelled", function()
      local kinds = {}
      service:fail { op = "list", times = math.huge, delay = 5 }
      for number = 1, 3 do
        loop.start(function()
          local _, err = client:list()
          kinds[number] = err.kind
        end)
      end
      loop.start(function()
        wait(nil, 0.2)
        client:close()
      end)
      local started = cqueues.monotime()
      loop.run()
      assert.are.same({ "cancelled", "cancelled", "cancelled" }, kinds)
      assert.is_true(cqueues.monotime() - started < 5)
    end)

    it("may be closed and made anew, by the coroutine that has just called", function()
      loop.start(function()
        for _ = 1, 5 do
          local another = assert(secrets.new {
            base_url = service.url, api_key = service.api_key, ignore_env = true, wait = wait,
          })
          assert(another:list())
          another:close()
        end
      end)
      loop.run()
      assert.are.equal(10, #service:requests())
    end)
  end)
end

describe("wait.luv", function()
  it("leaves no handle behind", function()
    local wait = require "bytenite.secrets.wait.luv"
    local reader, writer = process.pipe()
    coroutine.wrap(function()
      wait(nil, 0.01)
      wait(reader, 0.01)
      process.write(writer, "x")
      wait(reader, LONG)
    end)()
    uv.run()
    local left = 0
    uv.walk(function()
      left = left + 1
    end)
    assert.are.equal(0, left)
    process.close(reader)
    process.close(writer)
  end)

  -- luv ends a process in which a callback raises.
  it("raises an error of a coroutine once all have gone on", function()
    local status, output = child.run [[
      local uv = require "luv"
      local wait = require "bytenite.secrets.wait.luv"
      local process = require "process"
      local reader, writer = process.pipe()
      local function fail()
        wait(reader, 30)
        print "gone on"
        io.stdout:flush()
        error "deliberate"
      end
      for _ = 1, 3 do coroutine.wrap(fail)() end
      process.write(writer, "x")
      uv.run()
    ]]
    assert.are_not.equal(0, status)
    assert.are.equal(3, select(2, output:gsub("gone on\n", "")))
    assert.matches("Uncaught Error: [^\n]*: deliberate\nstack traceback:", output)
  end)

  it("lets a coroutine alone that was closed meanwhile", function()
    if not coroutine.close then return end -- before Lua 5.4
    local wait = require "bytenite.secrets.wait.luv"
    local closed = coroutine.create(function()
      wait(nil, 0.01)
    end)
    coroutine.resume(closed)
    coroutine.close(closed)
    uv.run()
    assert.are.equal("dead", coroutine.status(closed))
  end)
end)
