-- Ten thousand items through random faults: nothing is lost, and every count is exact. A hundred
-- thousand without: memory stays as it is.

local core = require "bytenite.secrets.core"
local faults = require "faults"
local process = require "process"
local service = require "service"
local ways = require "ways"

local ITEMS = { ["by blocking"] = 10000, ["in an event loop"] = 2500 }
local CALLS = math.floor(100000 / faults.SLOW)
local CONCURRENCY = 64

-- A key that is refused would be left alone for a while, and all items with it.
local FAULTS_OF_EXCHANGE = { { status = 503 }, { status = 200, body = "{" }, { drop = "midway" } }

local FAULTS = {
  { status = 503 }, { status = 502 }, { status = 429 }, { status = 400 }, { status = 401 },
  { status = 200, body = '{"ok":false}' }, { status = 200, body = "{" },
  { drop = "before" }, { drop = "midway" }, { drop = "after" }, { drop = "after" },
  { delay = 0.02 }, { delay = 0.01, drop = "after" }, { delay = 0.01, drop = "before" },
}

local random = core.random

describe("Ten thousand items at once", function()
  local emulator, client, host
  local events, total

  before_each(function()
    core.random = function() return 0.02 * random() end -- so that retries wait little
    emulator = service.start()
    events = { sends = 0, attempts = 0, failed = 0 }
  end)

  after_each(function()
    core.random = random
    service.release()
    emulator, client, host = nil, nil, nil
  end)

  local function connect()
    client = service.open {
      wait = host.wait,
      deadline = 30 * faults.SLOW,
      on_event = function(event)
        if event.event ~= "attempt" then return end
        events.sends, events.attempts = events.sends + event.sends, events.attempts + 1
        if not event.ok then events.failed = events.failed + 1 end
      end,
    }
  end

  local function add_fault(op, list)
    local fault = { op = op }
    for name, value in pairs(list[math.random(#list)]) do
      fault[name] = value
    end
    emulator:fail(fault)
  end

  local function items()
    local number = 0
    return function()
      if number == total then return nil end
      number = number + 1
      if math.random() < 0.3 then add_fault("put", FAULTS) end
      if math.random() < 0.002 then add_fault("authenticate", FAULTS_OF_EXCHANGE) end
      return {
        secret = { id = "key-" .. number, secretType = "other" },
        secretKey = "value-" .. number,
      }
    end
  end

  -- What the service has, and how many requests it saw.
  local function survey()
    local values, puts, requests = {}, {}, emulator:requests()
    for _, secret in ipairs(emulator:secrets()) do
      assert.is_nil(values[secret.id])
      values[secret.id] = secret.secretKey
    end
    for _, request in ipairs(requests) do
      local id = request.body:match('"id":"(key%-%d+)"')
      if id then puts[id] = (puts[id] or 0) + 1 end
    end
    return values, puts, #requests
  end

  local function check(report)
    local values, puts, requests = survey()
    local done, ambiguous, refused = 0, 0, 0
    assert.equal(total, #report.results)
    for number, result in ipairs(report.results) do
      local id = "key-" .. number
      local err = result.err
      local stored = values[id]
      assert.equal("put other/" .. id, result.op)
      assert.is_true(stored == nil or stored == "value-" .. number)
      if result.ok then
        assert.is_not_nil(stored, id .. " is lost")
        done = done + 1
      elseif err.ambiguous then
        ambiguous = ambiguous + 1
      else
        assert.is_nil(stored, id .. " is there, against what was told: " .. tostring(err))
        refused = refused + 1
      end
      if err and err.kind ~= "unauthorized" then
        assert.is_true(err.sends >= (puts[id] or 0))
      end
    end
    assert.same({ done, total - done }, { report.done, report.failed })
    assert.is_true(done > total / 2)
    assert.is_true(ambiguous > 0 and refused > 0 and events.failed > total / 10)
    assert.equal(requests, events.sends)
  end

  for _, way in ipairs(ways) do
    it("are accounted for, " .. way.name, function()
      host, total = way.open(), math.floor(ITEMS[way.name] / faults.SLOW)
      connect()
      local told = 0
      check(host:call(client.put_all, client, items(), {
        concurrency = CONCURRENCY,
        on_progress = function(done)
          told = told + 1
          assert.equal(told, done)
        end,
      }))
      assert.equal(total, told)
    end)
  end
end)

describe("A hundred thousand calls", function()
  local pid, fd

  after_each(function()
    service.release()
    process.kill(pid, 9)
    process.wait(pid)
    process.close(fd)
  end)

  -- In a process of its own, for the emulator remembers requests.
  local function start_emulator()
    pid, fd = process.spawn(os.getenv("LUA") or "lua", "spec/demo/emulator.lua")
    local text = ""
    repeat
      text = text .. process.read(fd)
    until select(2, text:gsub("\n", "")) == 2
    return text:match("(.-)\n(.-)\n")
  end

  local function resident()
    collectgarbage()
    collectgarbage()
    local file = assert(io.open("/proc/self/statm"))
    local pages = file:read("*a"):match("^%d+ (%d+)")
    file:close()
    return tonumber(pages) * 4, collectgarbage("count")
  end

  for _, way in ipairs(ways) do
    it("take no memory with them, " .. way.name, function()
      local url, api_key = start_emulator()
      local host = way.open()
      local client = service.open { base_url = url, api_key = api_key, wait = host.wait }
      local one = { secret = { secretType = "other", params = { region = "eu" } }, secretKey = "x" }
      local function bulk(count)
        local number = 0
        local report = host:call(client.put_all, client, function()
          number = number + 1
          one.secret.id = "key-" .. number % 100
          return number <= count and one or nil
        end)
        assert.equal(count, report.done)
      end
      local rss, heap
      for round = 1, 50 do
        bulk(CALLS / 50)
        if round == 10 then rss, heap = resident() end
      end
      local rss_now, heap_now = resident()
      assert.is_true(heap_now - heap < 100, ("%g KiB of Lua more"):format(heap_now - heap))
      if faults.SLOW > 1 then return end -- sanitizers keep what is freed
      assert.is_true(rss_now - rss < 2048, ("%g KiB more"):format(rss_now - rss))
    end)
  end
end)
