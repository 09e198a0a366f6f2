-- A call is broken off at each point where it waits, or calls a function that a user gave.

local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local event_loop = require "event_loop"
local faults = require "faults"
local secrets = require "bytenite.secrets"
local socket = require "socket"

local random = core.random

local RECORD = { id = "my-key", secretType = "s3" }
local PROBLEM = { "stop" }

local function items()
  local list = {}
  for number = 1, 6 do
    list[number] = { secret = { id = "key-" .. number, secretType = "s3" }, secretKey = "x" }
  end
  return list
end

-- A token that has to be renewed, and answers after which a call tries again.
local function add_faults(emulator)
  emulator:fail { op = "authenticate", status = 502 }
  emulator:fail { op = "list", status = 401 }
  emulator:fail { op = "list", drop = "midway" }
  emulator:fail { op = "put", status = 502, delay = 0.01 }
  emulator:fail { op = "put", status = 401 }
  emulator:fail { op = "put", drop = "after" }
  emulator:fail { op = "delete", status = 503, delay = 0.01 }
end

local CALLS = {
  put_all = function(client)
    return client:put_all(items(), { concurrency = 3 })
  end,
  delete_all = function(client)
    return client:delete_all({ RECORD, RECORD, RECORD }, { concurrency = 2 })
  end,
  rotate = function(client)
    return client:rotate("s3", "my-key", "new")
  end,
  list = function(client)
    return client:list()
  end,
}

-- How many requests came, once no more are under way.
local function settle(emulator)
  local sent
  repeat
    sent = #emulator:requests()
    socket.sleep(0.005)
  until sent == #emulator:requests()
  return sent
end

-- What the calls after it, and those alone, may send.
local function is_next(request)
  return request.method == "GET" or request.path:find("access_token", 1, true)
    or request.body:find("next", 1, true)
end

-- Calls with something that raises when it is called for the Nth time. Whether it came to that, and
-- whether more was sent thereafter.
local function break_off(call, number, prepare)
  local emulator = assert(emulators.start { seed = { RECORD } })
  local count, loop = 0, event_loop.works and event_loop.new()
  local function point()
    count = count + 1
    if count == number then error(PROBLEM) end
  end
  local options = prepare(point, loop)
  options.base_url, options.api_key, options.ignore_env = emulator.url, emulator.api_key, true
  local client = assert(secrets.new(options))
  local function host(...)
    if options.wait then return loop:call(...) end
    return (...)(select(2, ...))
  end
  add_faults(emulator)
  local ok, raised = pcall(host, call, client)
  local reached = count >= number
  count = number
  if reached then
    assert.is_false(ok, "the error at point " .. number .. " is lost")
    assert.equal(PROBLEM, raised)
  end
  local sent = settle(emulator)
  -- The next ones work; what is left of the faults is up to three a call.
  assert(host(client.put, client, RECORD, "next", { retries = 5 }))
  assert(#assert(host(client.list, client, nil, { retries = 5 })) >= 1)
  local went_on = false
  for index, request in ipairs(emulator:requests()) do
    if index > sent and not is_next(request) then went_on = true end
  end
  client:close()
  emulator:stop()
  return reached, went_on
end

-- On a busy machine the service sees late what was sent in time, though not again and again.
local function try_point(...)
  for _ = 1, 3 do
    local reached, went_on = break_off(...)
    if not went_on then return reached end
  end
  error("it goes on after point " .. select(2, ...))
end

local WAYS = {
  ["in the functions that it calls, by blocking"] = function(point)
    return { on_event = point }
  end,
  ["in its wait function"] = event_loop.works and function(point, loop)
    return {
      wait = function(...)
        point()
        return loop.wait(...)
      end,
    }
  end or nil,
  ["in its wait function, once it was waited"] = event_loop.works and function(point, loop)
    return {
      wait = function(...)
        loop.wait(...)
        point()
      end,
    }
  end or nil,
  ["in the functions that it calls, in an event loop"] = event_loop.works and function(point, loop)
    return { wait = loop.wait, on_event = point }
  end or nil,
}

local compiler = rawget(_G, "jit")

-- KiB, without garbage and what LuaJIT has compiled.
local function heap_size()
  if compiler then compiler.flush() end
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

describe("A call broken off", function()
  before_each(function()
    core.random = function() return 0.05 * random() end -- so that retries wait little
  end)

  after_each(function()
    core.random = random
  end)

  for way, prepare in pairs(WAYS) do
    for name, call in pairs(CALLS) do
      it(("%s, at every point, leaves nothing behind: %s"):format(way, name), function()
        local number, heap, descriptors = 1, nil, nil
        while try_point(call, number, prepare) do
          if number == 2 then
            descriptors = faults.descriptors()
            heap = heap_size()
          end
          number = number + 1
        end
        assert.is_true(number > 5, "there are but " .. number .. " points")
        assert.equal(descriptors, faults.descriptors())
        assert.is_true(heap_size() - heap < 50)
      end)
    end
  end
end)
