-- System calls and signals that get in the way: rows 46, 48, 64 to 66, 78 and 79 of the fault
-- matrix. Each is played in a process of its own, which the fault cannot spoil for others.

local certificates = require "certificates"
local child = require "child"
local cjson = require "cjson"
local faults = require "faults"
local process = require "process"
local raw_server = require "raw_server"
local socket = require "socket"

local request, reset, hold = raw_server.request, raw_server.reset, raw_server.hold
local read = raw_server.read

local BUILD = os.getenv("BUILD") or ".build"
local SABOTAGE, OLD_LIBCURL = BUILD .. "/sabotage.so", BUILD .. "/old_libcurl.so"

-- Both kinds of connection: a name, a first step for scripts, and a base URL of the server.
local CONNECTIONS = {
  { "plain", nil, function(server) return server.url end },
  {
    "TLS", raw_server.tls(certificates.good),
    function(server) return faults.https(server.url) end,
  },
}

local function given(url, more)
  local values = more or {}
  values.url, values.slow = url, faults.SLOW
  values.options = { ca_file = url:find("^https") and certificates.ca or nil }
  return values
end

local function for_both(name, test)
  for _, connection in ipairs(CONNECTIONS) do
    it(("%s (%s)"):format(name, connection[1]), function()
      test(connection[2], connection[3])
    end)
  end
end

describe("System calls", function()
  after_each(faults.clean_up)

  for_both("46: that move single bytes only take longer", function(first, url_of)
    local server = faults.server { faults.honest(first) }
    local results = faults.child([[
      local results = {}
      for number, op in ipairs { "list", "put", "delete" } do
        local client = faults.client(given.url, op, given.options)
        sabotage.slice(1)
        local value, err = faults.call(op, client)
        sabotage.stop()
        results[number] = value and "ok" or tostring(err)
      end
      return results
    ]], given(url_of(server)))
    assert.are.same({ "ok", "ok", "ok" }, results)
    assert.are.equal(3, server:sends())
  end)

  for _, errno in ipairs { "EMFILE", "ENOMEM" } do
    it(("64: that give no socket are a network error (%s)"):format(errno), function()
      local server = faults.server { faults.honest() }
      local result = faults.child([[
        local client = faults.client(given.url, "put", given.options)
        sabotage.fail("socket", sabotage.errno[given.errno], 1, 1e6)
        local value, err = faults.call("put", client)
        sabotage.stop()
        faults.assert_clean(err)
        local again, problem = faults.call("put", client)
        return { value = value, kind = err.kind, attempts = err.attempts, sends = err.sends,
          ambiguous = err.ambiguous, again = again and again.ok or tostring(problem) }
      ]], given(server.url, { errno = errno }))
      assert.are.same({ kind = "network", attempts = 2, sends = 0, ambiguous = false,
        again = true }, result)
      assert.are.equal(1, server:sends())
    end)
  end

  -- Each of the calls that a put makes fails in every way, once.
  for_both("65: that fail are outlived, or told as what they are", function(first)
    local result = faults.child([[
      local server = faults.server { faults.honest(given.first) }
      local url = given.first and faults.https(server.url) or server.url
      local options = { ca_file = given.ca, retries = 0, timeout = 0.5 * given.slow,
        deadline = given.slow }
      local KINDS = { network = true, timeout = true, tls = true }
      local result = { runs = 0, successes = 0, problems = {} }

      local function check(where, client, value, err, elapsed, came)
        local function problem(text)
          result.problems[#result.problems + 1] = where .. ": " .. tostring(text)
        end
        if value then result.successes = result.successes + 1 end
        if value and came == 0 then problem "false success" end
        if err and not err.ambiguous and came > 0 then problem "false failure" end
        if err and not KINDS[err.kind] then problem(err) end
        if elapsed > 1.25 * given.slow then problem(elapsed) end
        faults.assert_clean(err)
        local again, why = faults.call("put", client)
        if not again then problem(why) end
      end

      local function play(call, errno, number)
        local client = faults.client(url, "put", options)
        local seen = faults.complete_requests(server)
        sabotage.fail(call, sabotage.errno[errno], number)
        local value, err, elapsed = faults.call("put", client)
        local reached = sabotage.stop()
        local came = faults.complete_requests(server) - seen
        check(("%s %s %d"):format(call, errno, number), client, value, err, elapsed, came)
        client:close()
        return reached
      end

      for _, call in ipairs { "socket", "connect", "send", "recv", "poll" } do
        for _, errno in ipairs { "EINTR", "EAGAIN", "EPIPE", "ECONNRESET", "ETIMEDOUT",
          "ECONNABORTED", "ECONNREFUSED", "ENETUNREACH", "ENOMEM" } do
          local number = 1
          while play(call, errno, number) do
            number, result.runs = number + 1, result.runs + 1
          end
        end
      end
      faults.clean_up()
      return result
    ]], { first = first or false, ca = certificates.ca, slow = faults.SLOW })
    assert.are.same({}, result.problems)
    assert.is_true(result.runs >= 60, result.runs .. " runs")
    assert.is_true(result.successes > 0)
  end)

  it("65: that fail before a byte of the request was written leave it unsent", function()
    local server = faults.server { faults.honest() }
    local result = faults.child([[
      local client = faults.client(given.url, "put", { retries = 0 })
      sabotage.fail("send", sabotage.errno.EPIPE, 1)
      local _, err = faults.call("put", client)
      sabotage.stop()
      return { kind = err.kind, sends = err.sends, ambiguous = err.ambiguous }
    ]], given(server.url))
    assert.are.same({ kind = "network", sends = 0, ambiguous = false }, result)
    assert.are.equal(0, faults.complete_requests(server))
  end)
end)

describe("A signal", function()
  after_each(faults.clean_up)

  for_both("48: of a broken pipe never reaches the host", function(first, url_of)
    local server = faults.server { { first or read(1), read(100), reset } }
    local result = faults.child([[
      local options = given.options
      options.retries, options.timeout = 0, given.slow
      local key = faults.MARKER .. ("\1"):rep(60000)
      local kinds = {}
      local pending, default
      assert(require "socket") -- which ignores the signal
      sabotage.default_sigpipe()
      for number = 1, 20 do
        local client = faults.client(given.url, "put", options)
        sabotage.slice(4096, 0.0005)
        local value, err = faults.call("put", client, nil, key)
        sabotage.stop()
        faults.assert_clean(err)
        assert(value == nil and err.ambiguous)
        kinds[err.kind] = (kinds[err.kind] or 0) + 1
        client:close()
      end
      pending, default = sabotage.sigpipe()
      return { kinds = kinds, pending = pending, default = default }
    ]], given(url_of(server)))
    assert.are.same({ kinds = { network = 20 }, pending = false, default = true }, result)
  end)

  -- What the kernel does to a host with a libcurl that lets it.
  local function with_broken_pipes(version)
    local server = faults.server { faults.honest() }
    local script = faults.script([[
      local old = require "old_libcurl"
      if given.version then old.version("7.87.0", given.version) end
      local client = faults.client(given.url, "put", { retries = 0 })
      sabotage.default_sigpipe()
      sabotage.break_pipes()
      local _, err = faults.call("put", client)
      sabotage.stop()
      local pending, default, blocked = sabotage.sigpipe()
      return { kind = err.kind, sends = err.sends, pending = pending, default = default,
        blocked = blocked, again = faults.call("put", client) ~= nil }
    ]], given(server.url, { version = version }))
    local pid, fd = child.preload(OLD_LIBCURL .. ":" .. SABOTAGE, os.getenv("LUA") or "lua", "-e",
      script)
    local output = child.read_all(fd)
    return process.wait(pid), output
  end

  it("48: of a broken pipe is kept from the host where libcurl is older than 7.88", function()
    local status, output = with_broken_pipes(0x075700)
    assert.are.equal(0, status, output)
    assert.are.same({ kind = "network", sends = 0, pending = false, default = true,
      blocked = false, again = true }, cjson.decode(output)[1])
  end)

  -- Without this the test above would prove nothing.
  it("48: of a broken pipe would end the host otherwise", function()
    local SIGPIPE = 13
    assert.are.equal(-SIGPIPE, (with_broken_pipes()))
  end)

  it("66: 1,000 times a second breaks nothing", function()
    local server = faults.server { faults.honest(raw_server.tls(certificates.good), 10) }
    local result = faults.child([[
      local failures = {}
      sabotage.alarms(1000)
      for _ = 1, 30 do
        local client = faults.client(given.url, "put", given.options)
        for _ = 1, 10 do
          local value, err = faults.call("put", client)
          if not value then failures[#failures + 1] = tostring(err) end
        end
        client:close()
      end
      return { failures = failures, alarms = sabotage.alarms(0) }
    ]], given(faults.https(server.url)))
    assert.are.same({}, result.failures)
    assert.is_true(result.alarms > 10)
    assert.are.equal(300, server:sends())
  end)

  -- What the interpreter does with Ctrl-C: a hook on its main thread.
  local function interrupt(script, server, signal)
    local pid, fd = child.start(faults.script(script, given(server.url)))
    assert.is_true(faults.eventually(function()
      return server:sends() == 1
    end))
    local started = socket.gettime()
    process.kill(pid, signal)
    local output = child.read_all(fd)
    local status = process.wait(pid)
    return output, status, socket.gettime() - started
  end

  local SIGINT = 2

  it("79: to interrupt ends a call that hangs", function()
    local server = faults.server { { request, hold } }
    local output, status, elapsed = interrupt([[
      faults.call("put", faults.client(given.url, "put", { timeout = 20, deadline = 20 }))
    ]], server, SIGINT)
    assert.is_truthy(output:find("interrupted!", 1, true))
    assert.are.equal(1, status)
    assert.is_true(elapsed < 1.2 * faults.SLOW)
    faults.assert_clean(output)
  end)

  it("79: to interrupt gives a coroutine, which the hook does not stop, an error", function()
    if _VERSION == "Lua 5.1" then
      return pending "LuaJIT's hook stops coroutines as well; PUC 5.1's is not seen from there"
    end
    local server = faults.server { { request, hold } }
    local output, _, elapsed = interrupt([[
      coroutine.wrap(function()
        local client = faults.client(given.url, "put", { timeout = 20, deadline = 20 })
        local _, err = faults.call("put", client)
        print(err.kind, err.ambiguous, err.attempts, err.sends)
      end)()
    ]], server, SIGINT)
    assert.is_truthy(output:find("cancelled\ttrue\t1\t1\n", 1, true))
    assert.is_true(elapsed < 1.2 * faults.SLOW)
  end)
end)

describe("A wall clock", function()
  after_each(faults.clean_up)

  for _, hours in ipairs { 1, -1 } do
    it(("78: that jumps by %d h in a call leaves its deadline alone"):format(hours), function()
      local server = faults.server { { request, hold } }
      local deadline = 0.4 * faults.SLOW
      local result = faults.child([[
        local client = faults.client(given.url, "put", { deadline = given.deadline })
        local before = os.time()
        sabotage.jump(3600 * given.hours, 0.1 * given.slow)
        local _, err, elapsed = faults.call("put", client)
        return { kind = err.kind, elapsed = elapsed, jumped = os.time() - before }
      ]], given(server.url, { hours = hours, deadline = deadline }))
      assert.are.equal("timeout", result.kind)
      assert.is_true(math.abs(result.jumped - 3600 * hours) < 60)
      assert.is_true(result.elapsed >= 0.9 * deadline)
      faults.assert_in_time(result.elapsed, deadline)
    end)

    it(("78: that jumps by %d h between calls leaves the token alone"):format(hours), function()
      local server = faults.server { faults.honest() }
      local works = faults.child([[
        local client = faults.client(given.url, "authenticate")
        local before = assert(client:list())
        sabotage.jump(3600 * given.hours, 0)
        local after = assert(client:list())
        return before and after and true
      ]], given(server.url, { hours = hours }))
      assert.is_true(works)
      assert.are.equal(3, server:sends())
    end)
  end
end)
