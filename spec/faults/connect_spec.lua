-- No connection in the first place: rows 1 to 8 of the fault matrix. Nothing leaves, so nothing is
-- ever ambiguous. Where a name has to misbehave, a process of its own has another getaddrinfo.

local event_loop = require "event_loop"
local faults = require "faults"
local raw_server = require "raw_server"
local socket = require "socket"

-- A port of which the queue is full: what comes to it is not answered.
local function blackhole(host, tcp)
  tcp = tcp or socket.tcp
  local listener = assert(tcp())
  assert(listener:bind(host, 0))
  assert(listener:listen(0))
  local _, port = listener:getsockname()
  local fillers = {}
  for number = 1, 3 do
    fillers[number] = tcp()
    fillers[number]:settimeout(0)
    fillers[number]:connect(host, port)
  end
  return faults.keep {
    port = port,
    close = function()
      for _, filler in ipairs(fillers) do
        filler:close()
      end
      listener:close()
    end,
  }
end

-- Two tries, and nothing was sent.
local function check(op, kind, value, err)
  assert.is_nil(value)
  assert.are.equal(kind, err.kind, tostring(err))
  assert.are.equal(2, err.attempts)
  assert.are.equal(0, err.sends)
  assert.is_false(err.ambiguous, op)
  assert.is_true(err.retryable)
  faults.assert_clean(err)
end

describe("A connection", function()
  after_each(faults.clean_up)

  for _, op in ipairs(faults.OPS) do
    it(("1: that is refused (%s)"):format(op), function()
      local before = faults.descriptors()
      local port = raw_server.free_port()
      local client = faults.client("http://127.0.0.1:" .. port, op)
      check(op, "network", faults.call(op, client))
      faults.server({ faults.honest() }, { port = port })
      assert.is_truthy(faults.call(op, client))
      faults.clean_up()
      assert.are.equal(before, faults.descriptors())
    end)

    it(("2: that nobody answers (%s)"):format(op), function()
      local before = faults.descriptors()
      local hole = blackhole("127.0.0.1")
      local client = faults.client("http://127.0.0.1:" .. hole.port, op,
        { connect_timeout = 0.15 * faults.SLOW })
      check(op, "timeout", faults.call(op, client))
      hole.close()
      faults.server({ faults.honest() }, { port = hole.port })
      assert.is_truthy(faults.call(op, client))
      faults.clean_up()
      assert.are.equal(before, faults.descriptors())
    end)

    -- The kernel has no route for TCP to a broadcast address.
    it(("3: to a network that cannot be reached (%s)"):format(op), function()
      local before = faults.descriptors()
      local client = faults.client("http://127.255.255.255:80", op)
      local value, err = faults.call(op, client)
      check(op, "network", value, err)
      assert.is_truthy(err.cause:find("curl 7:", 1, true))
      faults.clean_up()
      assert.are.equal(before, faults.descriptors())
    end)
  end

  it("2: that nobody answers ends at the deadline", function()
    local hole = blackhole("127.0.0.1")
    local client = faults.client("http://127.0.0.1:" .. hole.port, "put",
      { deadline = 0.3 * faults.SLOW })
    local _, err, elapsed = faults.call("put", client)
    assert.are.equal("timeout", err.kind)
    faults.assert_in_time(elapsed, 0.3 * faults.SLOW)
  end)
end)

-- Opens sockets of the host, on each of which a message waits. When that happens right after a
-- connection of ours was given up, the first one gets its number.
local function host_opener()
  local listener = faults.keep(assert(socket.bind("127.0.0.1", 0)))
  local host, port = listener:getsockname()
  return function()
    local opened = {}
    for number = 1, 4 do
      local near = faults.keep(assert(socket.connect(host, port)))
      local far = faults.keep(assert(listener:accept()))
      assert(far:send("a message to the host\n"))
      opened[number] = { near = near, far = far }
    end
    return opened
  end
end

local function assert_untouched(host_sockets)
  for number, pair in ipairs(host_sockets) do
    pair.near:settimeout(2)
    pair.far:settimeout(2)
    assert.are.equal("a message to the host", pair.near:receive("*l"), "socket " .. number)
    assert.are.equal(9, pair.near:send("an answer"))
    assert.are.equal("an answer", pair.far:receive(9), "socket " .. number)
  end
end

describe("A socket of the host", function()
  after_each(faults.clean_up)

  local ENDS = {
    ["the attempt timed out"] = { connect_timeout = 0.15 },
    ["the call reached its deadline"] = { deadline = 0.3 },
  }
  for ending, options in pairs(ENDS) do
    for _, op in ipairs(faults.OPS) do
      it(("H1: stays as it is when it gets the number of one with which %s (%s)"):format(ending,
        op), function()
        local hole = blackhole("127.0.0.1")
        local open_host_sockets = host_opener()
        local slow = { retries = 0 }
        for name, seconds in pairs(options) do
          slow[name] = seconds * faults.SLOW
        end
        local client = faults.client("http://127.0.0.1:" .. hole.port, op, slow)
        local _, err = faults.call(op, client)
        assert.are.equal("timeout", err.kind)
        local host_sockets = open_host_sockets()
        faults.call(op, client)
        assert_untouched(host_sockets)
      end)
    end
  end

  it("H1: stays as it is when it gets the number of one that was cancelled", function()
    if not event_loop.works then return pending "PUC 5.1 has no loop mode" end
    local hole = blackhole("127.0.0.1")
    local open_host_sockets = host_opener()
    local waits = 0
    local client = faults.client("http://127.0.0.1:" .. hole.port, "list", {
      wait = function()
        waits = waits + 1
        if waits > 1 then error("enough", 0) end
      end,
    })
    assert.is_false(pcall(client.list, client))
    local host_sockets = open_host_sockets()
    assert.is_false(pcall(client.list, client))
    assert_untouched(host_sockets)
  end)

  it("H1: stays as it is when it gets the number of one that lost to another address", function()
    local hole = blackhole("::1", socket.tcp6)
    faults.server({ faults.honest() }, { port = hole.port })
    local untouched = faults.child([[
      sabotage.resolve("two", "::1")
      local socket = require "socket"
      local listener = assert(socket.tcp())
      assert(listener:bind("127.0.0.1", 0))
      assert(listener:listen(4))
      local _, port = listener:getsockname()
      local client = faults.client(("http://service.test:%d"):format(given.port), "list",
        { allow_http = true, retries = 0 })
      assert(client:list())
      local near, far = {}, {}
      for number = 1, 4 do
        near[number] = assert(socket.tcp())
        assert(near[number]:connect("127.0.0.1", port))
        far[number] = assert(listener:accept())
        far[number]:send("a message to the host\n")
      end
      assert(client:list())
      local count = 0
      for number = 1, 4 do
        near[number]:settimeout(2)
        if near[number]:receive("*l") == "a message to the host" then count = count + 1 end
      end
      return count
    ]], { port = hole.port })
    assert.are.equal(4, untouched)
  end)
end)

-- What is the same for all names: each operation once.
local function each_op(resolver, seconds, options)
  return faults.child([[
    sabotage.resolve(given.resolver, given.seconds)
    local results = {}
    for _, op in ipairs(faults.OPS) do
      local client = faults.client("http://service.test:1", op, given.options)
      local value, err, elapsed = faults.call(op, client)
      faults.assert_clean(err)
      results[op] = { succeeded = value ~= nil, kind = err.kind, attempts = err.attempts,
        sends = err.sends, ambiguous = err.ambiguous, cause = err.cause, elapsed = elapsed }
      client:close()
    end
    return results
  ]], { resolver = resolver, seconds = seconds, options = options })
end

describe("A name", function()
  after_each(faults.clean_up)

  for row, resolver in pairs { ["4: that is unknown"] = "unknown",
    ["5: that cannot be looked up now"] = "again" } do
    it(row, function()
      for op, result in pairs(each_op(resolver, 0, { allow_http = true })) do
        assert.are.equal("network", result.kind, op)
        assert.are.equal(2, result.attempts, op)
        assert.are.equal(0, result.sends, op)
        assert.is_false(result.ambiguous, op)
        assert.is_truthy(result.cause:find("curl 6:", 1, true), op)
      end
    end)
  end

  it("6: whose look-up hangs does not hold up a call beyond its deadline", function()
    local deadline = 0.6 * faults.SLOW
    local results = each_op("hang", 3 * faults.SLOW, { allow_http = true, deadline = deadline })
    for op, result in pairs(results) do
      assert.are.equal("timeout", result.kind, op)
      assert.are.equal(1, result.attempts, op)
      assert.are.equal(0, result.sends, op)
      assert.is_false(result.ambiguous, op)
      assert.is_true(result.elapsed >= 0.95 * deadline, op)
      faults.assert_in_time(result.elapsed, deadline)
    end
  end)

  -- The resolver's thread wakes up after the state that loaded the module is gone.
  it("7: whose look-up hangs does not kill a host that closes its Lua state", function()
    local problem = faults.child([[
      sabotage.resolve("hang", 0.6 * given.slow)
      local problem = sabotage.run(([=[
        local secrets = require "bytenite.secrets"
        local client = assert(secrets.new { base_url = "http://service.test:1", allow_http = true,
          access_token = "t", deadline = 0.2 * %g, ignore_env = true })
        local list, err = client:list()
        assert(list == nil and err.kind == "timeout", tostring(err))
      ]=]):format(given.slow))
      require("socket").sleep(0.8 * given.slow)
      return problem or "alive"
    ]], { slow = faults.SLOW })
    assert.are.equal("alive", problem)
  end)

  local function first_dead(address, port)
    return faults.child([[
      sabotage.resolve("two", given.address)
      local client = faults.client(("http://service.test:%d"):format(given.port), "put",
        { allow_http = true, retries = 0 })
      local value, err = faults.call("put", client)
      return value and value.ok or tostring(err)
    ]], { address = address, port = port })
  end

  it("8: of which the first address refuses leads to the second", function()
    local server = faults.server { faults.honest() }
    assert.is_true(first_dead("127.0.0.2", server.port))
    assert.are.equal(1, server:sends())
  end)

  -- Of two addresses of the same family libcurl 7.88 only tries the second one when the first has
  -- failed, not when it is silent; the curl command of that version gives up as well.
  it("8: of which the first address does not answer leads to one of the other family", function()
    local hole = blackhole("::1", socket.tcp6)
    local server = faults.server({ faults.honest() }, { port = hole.port })
    assert.is_true(first_dead("::1", hole.port))
    assert.are.equal(1, server:sends())
  end)
end)
