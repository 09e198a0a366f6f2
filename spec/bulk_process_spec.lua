-- Many at once, and the process: Ctrl-C, forks, SIGPIPE.

local child = require "child"
local environment = require "environment"
local event_loop = require "event_loop"
local faults = require "faults"
local process = require "process"
local raw_server = require "raw_server"
local socket = require "socket"

local request, hold = raw_server.request, raw_server.hold

local SIGINT = 2

-- What the scripts of these specs begin with.
local PROLOGUE = [[
  local event_loop = require "event_loop"
  local process = require "process"
  local function items(count)
    local list = {}
    for number = 1, count do
      list[number] = { secret = { id = "key-" .. number, secretType = "s3" },
        secretKey = faults.KEY:rep(given.repeated or 1) }
    end
    return list
  end
]]

local function words(output)
  return (output:gsub("%s+", " "))
end

describe("Ctrl-C ends a bulk call", function()
  after_each(faults.clean_up)

  -- Reads what the script says of each call that waits for its next attempt.
  local function read_waits(fd, count)
    local output = ""
    repeat
      local piece = process.read(fd)
      assert.not_equal("", piece)
      output = output .. piece
    until select(2, output:gsub("waits\n", "")) == count
    socket.sleep(0.1 * faults.SLOW) -- which it begins to do after it has said so
  end

  -- Returns what the script writes, when it has begun to wait for `sends` requests, or, where these
  -- are answered, for the next attempts.
  local function interrupt(script, server, sends, answered)
    local pid, fd = child.start(faults.script(PROLOGUE .. script, { url = server.url }))
    assert.is_true(faults.eventually(function()
      return server:sends() == sends
    end))
    if answered then read_waits(fd, sends) end
    local started = socket.gettime()
    process.kill(pid, SIGINT)
    local output = child.read_all(fd)
    local status = process.wait(pid)
    assert.is_true(socket.gettime() - started < 8 * faults.SLOW) -- of 20
    assert.equal(sends, server:sends())
    faults.assert_clean(output)
    return output, status
  end

  it("under way", function()
    local server = faults.server { { request, hold } }
    local output, status = interrupt([[
      local client = faults.client(given.url, "put", { timeout = 20, deadline = 20 })
      client:put_all(items(20), { concurrency = 4 })
    ]], server, 4)
    assert.is_truthy(output:find("interrupted!", 1, true))
    assert.equal(1, status)
  end)

  local RETRYING = [[
    local client = faults.client(given.url, "put", {
      timeout = 20,
      deadline = 20,
      on_event = function(event)
        if event.event ~= "retry" then return end
        io.write("waits\n")
        io.flush()
      end,
    })
  ]]

  it("between two attempts", function()
    local server = faults.server { {
      request, raw_server.answer(503, "", "Retry-After: 9\r\n"), request, hold,
    } }
    local output, status = interrupt(RETRYING .. [[
      client:put_all(items(20), { concurrency = 4 })
    ]], server, 4, true)
    assert.is_truthy(output:find("interrupted!", 1, true))
    assert.equal(1, status)
  end)

  -- Where the hook is seen, and does not stop the coroutine by itself.
  local function in_coroutine(name, script, server, sends, expected, answered)
    it(name, function()
      if _VERSION == "Lua 5.1" then
        return pending "LuaJIT's hook stops coroutines as well; PUC 5.1's is not seen from there"
      end
      local output = interrupt(([[
        coroutine.wrap(function()
          %s
          local report = client:put_all(items(6), { concurrency = 4 })
          for _, result in ipairs(report.results) do
            print(result.err.kind, result.err.attempts, result.err.sends, result.err.ambiguous)
          end
        end)()
      ]]):format(script), faults.server(server), sends, answered)
      assert.equal(expected, words(output):sub(1, #expected))
    end)
  end

  local NEVER = (" cancelled 0 0 false"):rep(2)

  in_coroutine("in a coroutine", [[
    local client = faults.client(given.url, "put", { timeout = 20, deadline = 20 })
  ]], { { request, hold } }, 4, "cancelled 1 1 true" .. (" cancelled 1 1 true"):rep(3) .. NEVER)

  in_coroutine("in a coroutine, between two attempts", RETRYING, { {
    request, raw_server.answer(503, "", "Retry-After: 9\r\n"), request, hold,
  } }, 4, "cancelled 1 1 false" .. (" cancelled 1 1 false"):rep(3) .. NEVER, true)

  in_coroutine("in a coroutine, with calls that wait for a token", [[
    local client = faults.client(given.url, "authenticate", { timeout = 20, deadline = 20 })
  ]], { { request, hold } }, 1, "cancelled 1 1 false" .. (" cancelled 0 0 false"):rep(3) .. NEVER)
end)

describe("A fork in the middle", function()
  after_each(function()
    faults.clean_up()
    environment.restore()
  end)

  -- A child leaves inherited handles alone, which a sanitizer sees as leaks at its end.
  before_each(function()
    environment.set { LSAN_OPTIONS = "detect_leaks=0" }
  end)

  local function slow_server(times)
    local script = {}
    for _ = 1, times do
      script[#script + 1] = request
      script[#script + 1] = raw_server.wait(0.1)
      script[#script + 1] = faults.HONEST
    end
    return faults.server { script }
  end

  for name, ending in pairs {
    ["at once"] = "process.exit(works and 0 or 1)",
    ["with finalizers"] = "os.exit(works and 0 or 1, true)",
  } do
    it("of a bulk call disturbs none of its exchanges; the child ends " .. name, function()
      local server = slow_server(20)
      local result = faults.child(PROLOGUE .. [[
        local client = faults.client(given.url, "put", { deadline = 20 })
        local pid, status
        local report = client:put_all(items(12), {
          concurrency = 4,
          on_progress = function(done)
            if done ~= 3 then return end
            pid = process.fork()
            if pid > 0 then return end
            local works = client:list() ~= nil and client:put_all(items(8), { concurrency = 4 }).ok
            ]] .. ending .. [[

          end,
        })
        return { done = report.done, status = process.wait(pid) }
      ]], { url = server.url })
      assert.same({ done = 12, status = 0 }, result)
      -- The parent's four connections and the child's: nothing was sent twice.
      assert.equal(12 + 1 + 8, server:sends())
      assert.equal(4 + 4, #server:requests())
    end)
  end

  it("of a bulk call cancels what the child goes on with", function()
    local server = slow_server(20)
    local result = faults.child(PROLOGUE .. [[
      local client = faults.client(given.url, "put", { deadline = 20 })
      local pid
      local report = client:put_all(items(4), {
        concurrency = 4,
        on_progress = function(done)
          if done == 1 then pid = process.fork() end
        end,
      })
      if pid == 0 then
        local err = report.results[4].err
        local told = err and err.kind == "cancelled" and err.ambiguous
        process.exit(report.done == 1 and report.failed == 3 and told and 0 or 1)
      end
      return { done = report.done, status = process.wait(pid) }
    ]], { url = server.url })
    -- The answers of all four may have come by the time of the fork.
    assert.equal(4, result.done)
    assert.equal(4, server:sends())
  end)

  it("of an event loop gives the child a descriptor of its own", function()
    if not event_loop.works then return pending "PUC 5.1 has no loop mode" end
    local server = slow_server(20)
    local result = faults.child(PROLOGUE .. [[
      local loop = event_loop.new()
      local client = faults.client(given.url, "put", { deadline = 20, wait = loop.wait })
      local results = {}
      for number = 1, 3 do
        loop:start(function()
          local receipt, err = client:put(items(number)[number].secret, faults.KEY)
          results[number] = receipt and "ok" or err.kind .. err.sends .. tostring(err.ambiguous)
        end)
      end
      local timer = loop:every(0.01, function() end)
      local ends = os.time() + 20
      for _ = 1, 4 do loop:step() end
      loop:drop(timer)
      local pid = process.fork()
      if pid == 0 then
        local fresh = event_loop.new()
        client.waiting.wait = fresh.wait
        local list = fresh:call(client.list, client)
        client.waiting.wait = loop.wait
        loop:run() -- what the parent had under way
        local told = table.concat(results, " ")
        process.exit(list and told == ("cancelled1true "):rep(3):sub(1, -2) and 0 or 1)
      end
      loop:run()
      local told = table.concat(results, " ")
      return { results = told, status = process.wait(pid), late = os.time() > ends }
    ]], { url = server.url })
    assert.same({ results = "ok ok ok", status = 0, late = false }, result)
    assert.equal(3 + 1, server:sends())
    assert.equal(3 + 1, #server:requests())
  end)
end)

describe("SIGPIPE", function()
  after_each(faults.clean_up)

  -- The server resets connections in the middle of requests.
  local SCRIPT = PROLOGUE .. [[
    local loop = given.loop and event_loop.new() or nil
    local client = faults.client(given.url, "put", {
      retries = 0, wait = loop and loop.wait or nil,
    })
    local kinds = {}
    sabotage.default_sigpipe() -- which LuaSocket has set to be ignored
    local function run()
      for _, result in ipairs(client:put_all(items(40), { concurrency = 8 }).results) do
        local kind = result.err and result.err.kind or "ok"
        kinds[kind] = (kinds[kind] or 0) + 1
      end
      client:close()
    end
    if loop then loop:call(run) else run() end
    local pending, default = sabotage.sigpipe()
    return { kinds = kinds, pending = pending, default = default }
  ]]

  for _, in_loop in ipairs { false, event_loop.works and true or nil } do
    it("never ends a host " .. (in_loop and "with an event loop" or "that blocks"), function()
      local server = faults.server { { raw_server.read(100), raw_server.reset } }
      local result = faults.child(SCRIPT, { url = server.url, loop = in_loop, repeated = 2000 })
      assert.same({ kinds = { network = 40 }, pending = false, default = true }, result)
    end)
  end
end)
