-- What functions that users give may do to a bulk call: raise, close the client, call it again.

local core = require "bytenite.secrets.core"
local faults = require "faults"
local service = require "service"
local socket = require "socket"
local ways = require "ways"

local DELAY = 0.2
local SLOW = faults.SLOW

local emulator, client, host

local function connect(options)
  client = service.open(options, { wait = host.wait })
end

local function item(id)
  return { secret = { id = id, secretType = "other" }, secretKey = "value of " .. id }
end

local function many(count)
  local list = {}
  for number = 1, count do
    list[number] = item("key-" .. number)
  end
  return list
end

local function iterate(list, on_ask)
  local number = 0
  return function()
    number = number + 1
    if on_ask then on_ask(number) end
    return list[number]
  end
end

local function ids_of(list)
  local ids = {}
  for position, secret in ipairs(list) do
    ids[position] = secret.id
  end
  table.sort(ids)
  return table.concat(ids, " ")
end

local function count(method, path)
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    if request.method == method and request.path:find(path or "/secrets", 1, true) then
      found = found + 1
    end
  end
  return found
end

-- One put is answered at once, while three others are under way.
local function hold_three()
  assert(host:call(client.authenticate, client))
  emulator:fail { op = "put" }
  emulator:fail { op = "put", delay = DELAY, times = 3 }
end

-- Each gives what `put_all` is called with, after which `raise` is called by one of its functions.
local RAISING = {
  on_progress = function(raise)
    hold_three()
    return many(12), { on_progress = raise, concurrency = 4 }
  end,

  ["the function that gives items"] = function(raise)
    hold_three()
    return iterate(many(12), function(number)
      if number == 5 then raise() end
    end)
  end,

  ["a secretKey function"] = function(raise)
    hold_three()
    local items = many(12)
    items[5].secretKey = raise
    return items
  end,

  ["an api_key function"] = function(raise)
    local asked = 0
    connect {
      api_key = function()
        asked = asked + 1
        return asked == 1 and emulator.api_key or raise()
      end,
    }
    assert(host:call(client.authenticate, client))
    emulator:fail { op = "put", status = 401 }
    emulator:fail { op = "put", delay = DELAY, times = 3 }
    return many(12)
  end,

  on_event = function(raise)
    connect {
      on_event = function(event)
        if event.op:find("put", 1, true) then raise() end
      end,
    }
    hold_three()
    return many(12)
  end,

  ["on_event, in the middle of a renewal"] = function(raise)
    connect {
      on_event = function(event)
        if event.event == "attempt" then raise() end
      end,
    }
    return many(12)
  end,

  wait = function(raise)
    if not host.wait then return nil end
    connect {
      wait = function(...)
        if count "POST" >= 4 then raise() end
        return host.wait(...)
      end,
    }
    hold_three()
    return many(12)
  end,
}

local CLOSING = {
  on_progress = function(close)
    return many(12), { on_progress = close }
  end,

  ["the function that gives items"] = function(close)
    return iterate(many(12), function(number)
      if number == 5 then close() end
    end)
  end,

  ["a secretKey function"] = function(close)
    local items = many(12)
    items[5].secretKey = function()
      close()
      return "x"
    end
    return items
  end,
}

for _, way in ipairs(ways) do
  describe("A function called by put_all, " .. way.name .. ",", function()
    before_each(function()
      host = way.open()
      emulator = service.start()
      connect()
    end)

    after_each(function()
      service.release()
      emulator, client, host = nil, nil, nil
    end)

    describe("may raise:", function()
      for name, prepare in pairs(RAISING) do
        it(name, function()
          local problem = { "the very error" }
          local items, options = prepare(function() error(problem) end)
          if not items then return end
          local before = faults.descriptors()
          local ok, raised = pcall(host.call, host, client.put_all, client, items,
            options or { concurrency = 4 })
          assert.is_false(ok)
          assert.equal(problem, raised)

          -- Nothing more is sent, and what was under way is gone.
          socket.sleep(0.1)
          local sent = #emulator:requests()
          socket.sleep(DELAY)
          assert.equal(sent, #emulator:requests())
          assert.is_true(faults.eventually(function()
            return faults.descriptors() <= before + 2 -- both ends of a connection that is kept
          end))
          connect()
          local stored = ids_of(emulator:secrets())
          assert.equal(stored, ids_of(assert(host:call(client.list, client))))
        end)

        it(name .. ", and the client is as good as before", function()
          local armed, problem = true, "a text"
          local items, options = prepare(function()
            if armed then
              armed = false
              error(problem, 0)
            end
            return "x"
          end)
          if not items then return end
          local ok, raised = pcall(host.call, host, client.put_all, client, items,
            options or { concurrency = 4 })
          assert.is_false(ok)
          assert.equal(problem, raised)
          client.on_event = nil
          client.settings.credential.value = emulator.api_key
          assert(host:call(client.put, client, { id = "one", secretType = "s3" }, "x"))
          assert.equal("one",
            ids_of(assert(host:call(client.list, client, { secretType = "s3" }))))
          assert.is_true(host:call(client.put_all, client, many(12)).ok)
          assert.equal(13, #emulator:secrets())
        end)
      end

      it("nothing at all, or nil", function()
        local ok, raised = pcall(host.call, host, client.put_all, client, many(3), {
          on_progress = function() error() end,
        })
        assert.is_false(ok)
        assert.is_nil(raised)
      end)
    end)

    describe("may close the client:", function()
      for name, prepare in pairs(CLOSING) do
        it(name, function()
          hold_three()
          local items, options = prepare(function() client:close() end)
          options = options or {}
          options.concurrency = 4
          local report = host:call(client.put_all, client, items, options)
          local done, begun, sends = 0, 0, 0
          for _, result in ipairs(report.results) do
            local err = result.err
            if result.ok then
              done, sends = done + 1, sends + 1
            else
              assert.equal("cancelled", err.kind)
              assert.equal(err.sends > 0, err.ambiguous)
              begun, sends = begun + math.min(err.attempts, 1), sends + err.sends
            end
          end
          assert.equal(1, done)
          assert.equal(prepare == CLOSING.on_progress and 3 or 4, begun)
          assert.equal(type(items) == "table" and 12 or 5, #report.results)
          assert.is_false(report.ok)
          socket.sleep(DELAY + 0.1)
          assert.is_true(count "POST" <= sends)
        end)
      end
    end)

    describe("may call the client:", function()
      it("on_progress, with every item", function()
        local listed = {}
        local report = host:call(client.put_all, client, many(9), {
          concurrency = 3,
          on_progress = function(done)
            listed[done] = #assert(client:list())
            assert.is_true(client:delete_all({ { id = "no", secretType = "no" } }).failed == 1)
          end,
        })
        assert.equal(9, report.done)
        for done, length in ipairs(listed) do
          assert.is_true(length >= done)
        end
        assert.equal(9, count("DELETE"))
      end)

      -- Where it waits for something else, that takes a second each time.
      it("on_progress, while another item ends", function()
        assert(host:call(client.authenticate, client))
        local started = core.monotonic()
        for _ = 1, 4 do
          emulator:fail { op = "put", delay = 0.06 }
          emulator:fail { op = "put", delay = 0.02 }
          emulator:fail { op = "list", delay = 0.15 }
          local report = host:call(client.put_all, client, many(2), {
            on_progress = function(done)
              if done == 1 then assert(client:list()) end
            end,
          })
          assert.equal(2, report.done)
        end
        assert.is_true(core.monotonic() - started < 3 * SLOW)
      end)

      it("the function that gives items", function()
        assert(host:call(client.put_all, client, many(5)))
        local report = host:call(client.put_all, client, iterate(many(5), function(number)
          local id = "key-" .. number
          if number <= 5 then assert.equal(id, client:get("other", id).id) end
        end))
        assert.equal(5, report.done)
      end)

      it("while the bulk call renews the token", function()
        emulator:fail { op = "authenticate", delay = DELAY }
        local items = many(8)
        items[2].secret.id = ".." -- fails at once, with the renewal under way for the first item
        local inner, list
        local started = core.monotonic()
        local report = host:call(client.put_all, client, items, {
          concurrency = 3,
          on_progress = function(done)
            if done > 1 then return end
            list = assert(client:list())
            inner = client:put_all { item "a", item "b", item "c" }
            assert.equal(1, client:delete_all({ { id = "a", secretType = "other" } }).done)
          end,
        })
        assert.is_true(core.monotonic() - started < 10)
        assert.same({}, list)
        assert.equal(3, inner.done)
        assert.equal(7, report.done)
        assert.equal(2, count("POST", "access_token"))
      end)

      it("while the bulk call renews the token, from a coroutine that cannot wait for it",
        function()
          emulator:fail { op = "authenticate", delay = DELAY }
          local items = many(8)
          items[2].secret.id = ".."
          local inner
          local started = core.monotonic()
          local report = host:call(client.put_all, client, items, {
            concurrency = 3,
            on_progress = function(done)
              if done > 1 then return end
              local thread = coroutine.create(function()
                inner = client:put_all { item "a", item "b", item "c" }
              end)
              repeat
                assert(coroutine.resume(thread))
                if host.wait then host:sleep(0.01) end
              until coroutine.status(thread) == "dead"
            end,
          })
          assert.is_true(core.monotonic() - started < 10)
          assert.equal(3, inner.done)
          assert.equal(7, report.done)
        end)
    end)

    it("may change a record that is under way, which is sent as it was", function()
      local items = many(3)
      for _, one in ipairs(items) do
        one.secret.name, one.secret.params = "before", { region = { "eu" } }
      end
      connect {
        on_event = function(event)
          if event.event ~= "retry" then return end
          for _, one in ipairs(items) do
            one.secret.name, one.secret.params.region[1] = "after", 1 / 0
            one.secret.id, one.secretKey = "another", "another"
          end
        end,
      }
      emulator:fail { op = "put", status = 502, times = 3 }
      assert.is_true(host:call(client.put_all, client, items).ok)
      assert.equal("key-1 key-2 key-3", ids_of(emulator:secrets()))
      for _, secret in ipairs(emulator:secrets()) do
        assert.equal("before", secret.name)
        assert.same({ "eu" }, secret.params.region)
        assert.equal("value of " .. secret.id, secret.secretKey)
      end
    end)
  end)
end
