local core = require "bytenite.secrets.core"
local faults = require "faults"
local raw_server = require "raw_server"
local service = require "service"
local ways = require "ways"

local PATH = "/v1/auth/secrets"
local SLOW = faults.SLOW

local emulator, client, host

local function connect(options)
  client = service.open(options, { wait = host.wait })
end

local function item(id)
  return { secret = { id = id, secretType = "other" }, secretKey = "value of " .. id }
end

local function ref(id)
  return { id = id, secretType = "other" }
end

local function many(make, count)
  local list = {}
  for number = 1, count do
    list[number] = make("key-" .. number)
  end
  return list
end

-- An iterator over an array; `asked` counts how often it was called.
local function iterate(list)
  local asked = { count = 0 }
  return function()
    asked.count = asked.count + 1
    return list[asked.count]
  end, asked
end

-- How many requests of a kind reached the service.
local function count(method)
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    if request.method == method and request.path:sub(1, #PATH) == PATH then found = found + 1 end
  end
  return found
end

local function stored()
  local values = {}
  for _, secret in ipairs(emulator:secrets()) do
    values[secret.id] = secret.secretKey
  end
  return values
end

local function put_all(...)
  return host:call(client.put_all, client, ...)
end

local function delete_all(...)
  return host:call(client.delete_all, client, ...)
end

-- The kinds of the results in order; "ok" for a success.
local function outcomes(report)
  local kinds = {}
  for index, result in ipairs(report.results) do
    assert.equal(result.err == nil, result.ok)
    assert.equal(result.ok, result.receipt ~= nil)
    if result.err then assert.equal(result.op, result.err.op) end
    kinds[index] = result.ok and "ok" or result.err.kind
  end
  assert.equal(#kinds, report.done + report.failed)
  assert.equal(report.failed == 0, report.ok)
  return table.concat(kinds, " ")
end

for _, way in ipairs(ways) do
  describe("Many at once, " .. way.name .. ",", function()
    before_each(function()
      host = way.open()
      emulator = service.start()
      connect()
    end)

    after_each(function()
      service.release()
      emulator, client, host = nil, nil, nil
    end)

    it("are put and deleted", function()
      local report = assert(put_all(many(item, 40)))
      assert.equal(("ok "):rep(40), outcomes(report) .. " ")
      local values = stored()
      for number = 1, 40 do
        local id = "key-" .. number
        assert.equal("put other/" .. id, report.results[number].op)
        assert.is_true(report.results[number].receipt.ok)
        assert.equal("value of " .. id, values[id])
      end
      report = assert(delete_all(many(ref, 40)))
      assert.same({ 40, 0, true }, { report.done, report.failed, report.ok })
      assert.equal("delete other/key-40", report.results[40].op)
      assert.same({}, emulator:secrets())
      assert.equal(40, count "POST")
      assert.equal(40, count "DELETE")
    end)

    it("may be none", function()
      for _, none in ipairs { {}, function() end } do
        assert.same({ ok = true, done = 0, failed = 0, results = {} }, put_all(none))
        assert.same({ ok = true, done = 0, failed = 0, results = {} }, delete_all(none))
      end
      assert.same({}, emulator:requests())
    end)

    it("have their results in the order of the items, whichever is done first", function()
      local finished = {}
      connect {
        on_event = function(event)
          if event.event == "attempt" then finished[#finished + 1] = event.op end
        end,
      }
      assert(host:call(client.authenticate, client))
      for number = 1, 8 do
        emulator:fail { op = "put", delay = 0.05 * (9 - number) }
      end
      local report = put_all(many(item, 24), { concurrency = 8 })
      local in_order = true
      for number = 1, 24 do
        local op = "put other/key-" .. number
        assert.equal(op, report.results[number].op)
        if finished[number + 1] ~= op then in_order = false end
      end
      assert.is_false(in_order)
      assert.equal(25, #finished)
    end)

    it("fail one by one", function()
      assert(put_all { item "a", item "c", item "e" })
      local report = delete_all { ref "a", ref "b", ref "c", ref "d", ref "..", ref "e" }
      assert.equal("ok not_found ok not_found invalid ok", outcomes(report))
      assert.same({ 3, 3 }, { report.done, report.failed })
      assert.equal("delete other/d", report.results[4].err.op)
      assert.equal(404, report.results[4].err.status)
      assert.equal(0, report.results[5].err.sends)
      assert.same({}, emulator:secrets())
      assert.equal(5, count "DELETE")
    end)

    it("are retried one by one", function()
      connect { retries = 1 }
      emulator:fail { op = "put", status = 502, times = 3 }
      local report = put_all(many(item, 10))
      assert.is_true(report.ok)
      assert.equal(13, count "POST")
    end)

    it("may be what a listing has", function()
      assert(put_all(many(item, 20)))
      local listing = assert(host:call(client.list, client, { secretType = "other" }))
      assert.equal(20, delete_all(listing).done)
      assert.same({}, emulator:secrets())
    end)

    describe("under way", function()
      -- How many are in the service's hands: a worker takes its next item after on_progress.
      local function watch(items, total, concurrency)
        local before, most = count "POST", 0
        emulator:fail { op = "put", delay = 0.1, times = total }
        local report = put_all(items, {
          concurrency = concurrency,
          on_progress = function(done)
            local under_way = count "POST" - before - done + 1
            assert.is_true(under_way <= concurrency, under_way .. " at once")
            most = math.max(most, under_way)
          end,
        })
        assert.equal(total, report.done)
        assert.equal(math.min(total, concurrency), most)
      end

      it("are never more than concurrency says, and that many", function()
        watch(many(item, 30), 30, 7)
        watch(iterate(many(item, 30)), 30, 7)
        watch(many(item, 5), 5, 1)
      end)

      for _, concurrency in ipairs { 16, 3 } do
        it(("are %d where %s"):format(concurrency, concurrency == 16 and "nobody says anything"
          or "the client was told so"), function()
            connect { concurrency = concurrency ~= 16 and concurrency or nil }
            assert(host:call(client.authenticate, client))
            emulator:fail { op = "put", delay = 0.2, times = concurrency }
            local at_first
            assert(put_all(many(item, 2 * concurrency), {
              on_progress = function() at_first = at_first or count "POST" end,
            }))
            assert.equal(concurrency, at_first)
          end)
      end

      it("are sent on as many connections, which serve all of them", function()
        local script = {}
        for _ = 1, 20 do
          script[#script + 1] = raw_server.request
          script[#script + 1] = raw_server.wait(0.01)
          script[#script + 1] = faults.HONEST
        end
        for _, concurrency in ipairs { 4, 40 } do
          local server = service.keep(raw_server.start { script })
          connect { base_url = server.url }
          assert.equal(concurrency * 5,
            put_all(many(item, concurrency * 5), { concurrency = concurrency }).done)
          assert.equal(concurrency, #server:requests())
        end
      end)
    end)

    describe("tell their progress", function()
      local function progress(f, items)
        local told = {}
        assert(f(items, {
          concurrency = 4,
          on_progress = function(...)
            assert.equal(2, select("#", ...))
            told[#told + 1] = { ... }
          end,
        }))
        return told
      end

      it("with the total of an array", function()
        local told = progress(put_all, many(item, 6))
        assert.same({ { 1, 6 }, { 2, 6 }, { 3, 6 }, { 4, 6 }, { 5, 6 }, { 6, 6 } }, told)
      end)

      it("without a total where a function gives the items, failures counted", function()
        local told = progress(delete_all, (iterate(many(ref, 3))))
        assert.same({ { 1 }, { 2 }, { 3 } }, told)
      end)
    end)

    describe("from a function", function()
      it("are asked for when there is room for them", function()
        local next_item, asked = iterate(many(item, 50))
        local report = put_all(next_item, {
          concurrency = 4,
          on_progress = function(done)
            assert.is_true(asked.count - done <= 3)
          end,
        })
        assert.equal(50, report.done)
        assert.equal("put other/key-50", report.results[50].op)
        assert.equal(51, asked.count)
      end)

      it("may be one table again and again, once its result is there", function()
        local one, number = { secret = { secretType = "other" } }, 0
        local report = put_all(function()
          number = number + 1
          if number > 20 then return nil end
          one.secret.id, one.secretKey = "key-" .. number, "value of key-" .. number
          return one
        end, { concurrency = 1 })
        assert.equal(20, report.done)
        for id, value in pairs(stored()) do
          assert.equal("value of " .. id, value)
        end
      end)
    end)

    describe("with stop_on_error", function()
      -- Two under way when the third fails; it is refused before it is sent.
      local function list()
        local all = many(item, 9)
        all[3].secret.id = ".."
        return all
      end

      it("finish what is under way and start no more", function()
        assert(host:call(client.authenticate, client))
        emulator:fail { op = "put", delay = 0.2, times = 2 }
        local report = put_all(list(), { concurrency = 3, stop_on_error = true })
        assert.equal("ok ok invalid" .. (" cancelled"):rep(6), outcomes(report))
        assert.same({ 2, 7 }, { report.done, report.failed })
        for index = 4, 9 do
          local err = report.results[index].err
          assert.same({ 0, 0, false, true },
            { err.attempts, err.sends, err.ambiguous, err.retryable })
          assert.equal(("put other/key-%d: it was never started: an item before it failed")
            :format(index), err.message)
        end
        assert.equal(2, count "POST")
      end)

      it("ask a function for no more", function()
        local next_item, asked = iterate(list())
        local report = put_all(next_item, { concurrency = 3, stop_on_error = true })
        assert.equal("ok ok invalid", outcomes(report))
        assert.equal(3, asked.count)
      end)

      it("all go on where it is false", function()
        local report = put_all(list(), { concurrency = 3, stop_on_error = false })
        assert.same({ 8, 1 }, { report.done, report.failed })
      end)
    end)

    describe("with a deadline", function()
      it("end by then; what was not started is cancelled", function()
        emulator:fail { op = "put", delay = 60, times = math.huge }
        local started = core.monotonic()
        local report = put_all(many(item, 7), { concurrency = 3, deadline = 0.5 * SLOW })
        faults.assert_in_time(core.monotonic() - started, 0.5 * SLOW)
        assert.equal("timeout timeout timeout" .. (" cancelled"):rep(4), outcomes(report))
        assert.is_true(report.results[1].err.ambiguous)
        assert.equal("put other/key-7: it was never started: the deadline of the bulk call has "
          .. "passed", report.results[7].err.message)
        assert.equal(3, count "POST")
      end)

      it("leave no doubt that a function had more", function()
        local next_item, asked = iterate(many(item, 9))
        local report = put_all(next_item, {
          concurrency = 1,
          deadline = SLOW,
          on_progress = function(done)
            if done == 3 then host:sleep(1.05 * SLOW) end
          end,
        })
        assert.equal("ok ok ok cancelled", outcomes(report))
        assert.equal(4, asked.count)
        assert.equal(3, count "POST")
      end)

      it("are done if there is time enough", function()
        assert.is_true(put_all(iterate(many(item, 9)), { deadline = 20 }).ok)
      end)
    end)
  end)
end
