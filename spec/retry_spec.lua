local core = require "bytenite.secrets.core"
local service = require "service"

local KEY = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"
local RECORD = { id = "my-key", secretType = "s3" }

local fail = service.fail
local random, sleep = core.random, core.sleep

local emulator, client, slept

-- No test waits unless it says so: the waits are recorded instead.
local function record_sleep(seconds)
  slept[#slept + 1] = seconds
  return true
end

local function count(op)
  local methods = { list = "GET", put = "POST", delete = "DELETE", authenticate = "POST" }
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    local is_exchange = request.path == "/v1/auth/access_token"
    if request.method == methods[op] and is_exchange == (op == "authenticate") then
      found = found + 1
    end
  end
  return found
end

local CALLS = {
  list = function(limits)
    return client:list(nil, limits)
  end,
  put = function(limits)
    return client:put(RECORD, KEY, limits)
  end,
  delete = function(limits)
    return client:delete("s3", "my-key", limits)
  end,
  authenticate = function(limits)
    return client:authenticate(limits)
  end,
}

local OPS = { "list", "put", "delete", "authenticate" }

describe("retries", function()
  before_each(function()
    slept = {}
    core.sleep = record_sleep
    emulator = service.start { seed = { RECORD } }
    client = service.open()
    assert(client:authenticate())
  end)

  after_each(function()
    core.random, core.sleep = random, sleep
    service.release()
  end)

  describe("are made, twice by default,", function()
    for _, status in ipairs { 408, 429, 500, 502, 503, 504 } do
      it("after " .. status .. ", by every operation", function()
        for _, op in ipairs(OPS) do
          local before = count(op)
          fail(op, { status = status, times = 3 })
          local value, err = CALLS[op]()
          assert.is_nil(value)
          assert.equal(status, err.status)
          assert.equal(3, err.attempts)
          assert.equal(3, err.sends)
          assert.equal(3, count(op) - before)
          for _ = 1, 10 do
            assert(client:list()) -- refills the budget
          end
        end
      end)
    end

    it("after a connection that broke, by every operation", function()
      for _, op in ipairs(OPS) do
        for _, drop in ipairs { "before", "midway" } do
          local before = count(op)
          fail(op, { drop = drop, times = 2, status = drop == "midway" and 200 or nil })
          assert(CALLS[op](), op .. drop)
          assert.is_true(count(op) - before >= 3, op .. drop)
          assert(client:put(RECORD, KEY))
          assert(client:authenticate())
        end
      end
    end)

    it("until one succeeds", function()
      fail("put", { status = 503, times = 2 })
      assert.is_true(client:put(RECORD, KEY).ok)
      assert.equal(3, count("put"))
      assert.equal(1, #emulator:secrets())
    end)
  end)

  it("are not made after any other answer", function()
    for _, op in ipairs(OPS) do
      for _, status in ipairs { 302, 400, 403, 404, 405, 409, 412, 413, 418, 501, 505, 999 } do
        local before = count(op)
        fail(op, { status = status })
        local value, err = CALLS[op]()
        assert.is_nil(value)
        assert.equal(1, err.attempts, op .. status)
        assert.equal(1, count(op) - before, op .. status)
      end
    end
    assert.same({}, slept)
  end)

  it("are as many as the client's option says, and none with 0", function()
    for retries = 0, 4 do
      client = service.open { retries = retries }
      local before = count("list")
      fail("list", { status = 500, times = retries + 1 })
      local _, err = client:list()
      assert.equal(retries + 1, err.attempts)
      assert.equal(retries + 1, count("list") - before)
    end
  end)

  it("are as many as the call says, if it does", function()
    for _, op in ipairs(OPS) do
      for retries = 0, 3, 3 do
        client = service.open { retries = 1 }
        assert(client:authenticate())
        local before = count(op)
        fail(op, { status = 500, times = retries + 1 })
        local _, err = CALLS[op] { retries = retries }
        assert.equal(retries + 1, err.attempts, op)
        assert.equal(retries + 1, count(op) - before, op)
      end
    end
  end)

  it("count anew for the token exchange within a call", function()
    client = service.open()
    fail("authenticate", { status = 503, times = 2 })
    fail("list", { status = 503, times = 2 })
    assert(client:list())
    assert.equal(3, count("list"))
  end)

  describe("wait", function()
    local function waits_after(fault, retries)
      fault.times = retries
      fail("list", fault)
      client = service.open { retries = retries, deadline = 300 }
      assert(client:list())
      return slept
    end

    it("a random time, twice as long after each attempt and never over 2 s", function()
      core.random = function() return 0.5 end
      assert.same({ 0.1, 0.2, 0.4, 0.8, 1, 1 }, waits_after({ status = 500 }, 6))
    end)

    it("longer after 429 and 503, but never over 5 s", function()
      core.random = function() return 0.5 end
      for _, status in ipairs { 429, 503 } do
        slept = {}
        assert.same({ 0.5, 1, 2, 2.5, 2.5 }, waits_after({ status = status }, 5))
      end
    end)

    it("different times in different calls", function()
      for _ = 1, 4 do
        waits_after({ status = 500 }, 1)
      end
      assert.equal(4, #slept)
      assert.is_false(slept[1] == slept[2] and slept[2] == slept[3] and slept[3] == slept[4])
      for _, seconds in ipairs(slept) do
        assert.is_true(seconds >= 0 and seconds <= 0.2)
      end
    end)

    it("as long as the service asks for", function()
      for _, status in ipairs { 408, 429, 500, 503 } do
        slept = {}
        assert.same({ 7 }, waits_after({ status = status, headers = { ["Retry-After"] = 7 } }, 1))
      end
    end)

    it("until the time that the service names", function()
      fail("put", { status = 503, headers = {
        ["Retry-After"] = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 8),
      } })
      assert(client:put(RECORD, KEY))
      assert.equal(1, #slept)
      assert.is_true(slept[1] > 4 and slept[1] <= 8, slept[1] .. " s")
    end)

    it("in earnest", function()
      core.sleep = sleep
      fail("list", { status = 429, headers = { ["Retry-After"] = 1 } })
      local started = core.monotonic()
      assert(client:list())
      assert.is_true(core.monotonic() - started >= 0.99)
    end)

    it("by their own lights when Retry-After is no number of seconds from 1", function()
      core.random = function() return 0.5 end
      for _, text in ipairs { "soon", "-5", "0", "Thu, 01 Jan 1970 00:00:10 GMT" } do
        slept = {}
        waits_after({ status = 503, headers = { ["Retry-After"] = text } }, 1)
        assert.same({ 0.5 }, slept, text)
      end
    end)

    it("not at all for a service that asks for more than 10 s: the call fails and says so",
      function()
        fail("list", { status = 429, headers = { ["Retry-After"] = 11 } })
        local _, err = client:list()
        assert.equal("rate_limited", err.kind)
        assert.equal(11, err.retry_after)
        assert.equal(1, err.attempts)
        assert.is_true(err.retryable)
        local date = "Wed, 01 Jan 2098 00:00:00 GMT"
        fail("put", { status = 503, headers = { ["Retry-After"] = date } })
        _, err = client:put(RECORD, KEY)
        assert.equal("unavailable", err.kind)
        assert.is_true(err.retry_after > 1e6)
        assert.same({}, slept)
      end)

    it("not at all when the deadline would come first", function()
      fail("list", { status = 503, headers = { ["Retry-After"] = 5 } })
      local _, err = client:list(nil, { deadline = 4 })
      assert.equal("unavailable", err.kind)
      assert.equal(5, err.retry_after)
      assert.equal(1, err.attempts)
      assert.same({}, slept)
    end)

    it("no longer than until somebody interrupts the script", function()
      core.sleep = function() return false end
      fail("put", { status = 500 })
      local _, err = client:put(RECORD, KEY)
      assert.equal("cancelled", err.kind)
      assert.equal(1, err.attempts)
      assert.is_true(err.ambiguous)
      assert.equal(1, count("put"))
    end)
  end)

  describe("have a budget", function()
    it("that keeps an outage from being multiplied", function()
      fail(nil, { status = 503, times = math.huge })
      local before = #emulator:requests()
      for _ = 1, 1000 do
        assert.is_nil(client:list())
      end
      local sent = #emulator:requests() - before
      assert.is_true(sent >= 1000 and sent <= 1010, tostring(sent))
    end)

    it("that success fills again", function()
      fail("list", { status = 503, times = 30 })
      local attempts = {}
      for call = 1, 8 do
        local _, err = client:list()
        attempts[call] = err and err.attempts
      end
      assert.equal(3, attempts[1])
      assert.equal(1, attempts[8])
      while not client:list() do end
      for _ = 1, 10 do
        assert(client:list())
      end
      fail("list", { status = 503, times = 2 })
      assert(client:list()) -- two retries were allowed
    end)

    it("of its own for each client", function()
      fail("list", { status = 503, times = 20 + 2 })
      for _ = 1, 10 do
        client:list()
      end
      client = service.open()
      assert(client:list())
    end)
  end)
end)
