-- What a call makes of failures that an honest service may show: rows 23 to 26 and 49 to 60 of the
-- fault matrix. The emulator's state tells what was applied.

local certificates = require "certificates"
local emulators = require "bytenite.secrets.emulator"
local faults = require "faults"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"

local request = raw_server.request
local GONE = raw_server.answer(404, '{"ok":false,"error":{"code":404}}')
local encrypt = raw_server.tls(certificates.good)

local emulator, client, events

-- A client of the emulator that has its access token.
local function prepare(options)
  emulator = faults.keep(emulators.start { api_key = faults.API_KEY })
  events = {}
  local all = {
    base_url = emulator.url,
    api_key = faults.API_KEY,
    ignore_env = true,
    on_event = function(event)
      events[#events + 1] = event
    end,
  }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  client = faults.keep(assert(secrets.new(all)))
  assert(client:authenticate())
  events = {}
end

-- How many requests of a kind the emulator saw, the first token exchange left out.
local function seen(method, path)
  local count = 0
  for position, one in ipairs(emulator:requests()) do
    if position > 1 and one.method == method and one.path == (path or one.path) then
      count = count + 1
    end
  end
  return count
end

local function exchanges()
  return seen("POST", "/v1/auth/access_token")
end

local function all_seen()
  return #emulator:requests() - 1
end

local METHODS = { list = "GET", put = "POST", delete = "DELETE" }

-- Calls with the fault and checks that the call after it works.
local function call(op, fault)
  fault.op = op
  emulator:fail(fault)
  local value, err, elapsed = faults.call(op, client)
  faults.assert_clean(err, events, client)
  return value, err, elapsed
end

local function assert_works()
  assert.is_truthy(client:put(faults.RECORD, faults.KEY))
  local list = assert(client:list())
  assert.are.equal(1, #list)
  assert.are.equal(faults.RECORD.id, list[1].id)
end

-- No descriptor may be left by any of the tests.
local descriptors

local function start_test()
  descriptors = faults.descriptors()
end

local function end_test()
  faults.clean_up()
  emulator, client, events = nil, nil, nil
  assert.are.equal(descriptors, faults.descriptors())
end

describe("A service that dies", function()
  before_each(start_test)
  after_each(end_test)

  it("23: after it has stored a secret has stored it once, and the retry succeeds", function()
    prepare()
    local receipt = assert(call("put", { drop = "after" }))
    assert.is_true(receipt.ok)
    assert.are.equal(2, seen("POST", "/v1/auth/secrets"))
    assert.are.equal(1, #emulator:secrets())
    assert_works()
  end)

  it("24: after it has removed a secret leads to absent = true", function()
    prepare()
    assert(client:put(faults.RECORD, faults.KEY))
    local receipt = assert(call("delete", { drop = "after" }))
    assert.is_true(receipt.absent)
    assert.are.equal(2, seen("DELETE"))
    assert.are.same({}, emulator:secrets())
    assert_works()
  end)

  it("24: before it has removed a secret does not", function()
    prepare()
    assert(client:put(faults.RECORD, faults.KEY))
    local receipt = assert(call("delete", { drop = "before" }))
    assert.is_nil(receipt.absent)
    assert.are.same({}, emulator:secrets())
  end)

  -- libcurl sends again by itself when a kept connection dies before the first byte of an answer.
  local function hidden(op, second)
    local server = faults.server {
      { request, faults.HONEST, request }, { request, second }, faults.honest(),
    }
    events = {}
    local raw_client = faults.client(server.url, op, {
      on_event = function(event)
        events[#events + 1] = event
      end,
    })
    assert(faults.call(op, raw_client))
    local value, err = faults.call(op, raw_client)
    faults.assert_clean(err, events)
    assert.are.equal(3, server:sends())
    assert.is_truthy(faults.call(op, raw_client))
    return value, err
  end

  for _, op in ipairs(faults.OPS) do
    it(("25: on a kept connection is not noticed (%s)"):format(op), function()
      assert.is_truthy(hidden(op, faults.HONEST))
    end)
  end

  it("25: on a kept connection while it removes leads to absent = true", function()
    local receipt = assert(hidden("delete", GONE))
    assert.is_true(receipt.absent)
    assert.are.equal(2, events[#events - 1].sends)
  end)

  it("25: on a kept connection while it stores makes a refusal ambiguous", function()
    local _, err = hidden("put", raw_server.answer(403, "{}"))
    assert.are.equal("forbidden", err.kind)
    assert.is_true(err.ambiguous)
    assert.are.equal(1, err.attempts)
    assert.are.equal(2, err.sends)
  end)

  -- A server that dies while it answers may be gone by the time of the second send.
  local HANDSHAKES = {
    ["a handshake that breaks off"] = { raw_server.skip(50) },
    ["a certificate that nobody trusts"] = { raw_server.tls(certificates.other_ca), request },
  }

  -- The first send of a call reaches its server, the second one gets no further than this script.
  local function half_hidden(op, script, last)
    local first = { encrypt, request, faults.HONEST, request }
    local server = faults.server { first, script, last or script }
    local raw_client = faults.client(faults.https(server.url), op, { ca_file = certificates.ca })
    assert(faults.call(op, raw_client))
    local value, err = faults.call(op, raw_client)
    faults.assert_clean(err)
    return value, err
  end

  for name, script in pairs(HANDSHAKES) do
    for op in pairs(faults.WRITES) do
      it(("25: on a kept connection, before %s, may have done it (%s)"):format(name, op), function()
        local value, err = half_hidden(op, script)
        assert.is_nil(value)
        assert.are.equal("tls", err.kind)
        assert.are.equal(1, err.sends)
        assert.is_true(err.ambiguous)
      end)
    end
  end

  it("25: on a kept connection while it removes, and once more in a handshake, leads to absent",
    function()
      local gone = { encrypt, request, GONE }
      local receipt = assert(half_hidden("delete", { raw_server.skip(50) }, gone))
      assert.is_true(receipt.absent)
    end)

  for _, op in ipairs(faults.OPS) do
    it(("26: between two calls is not noticed, and the second is sent once (%s)"):format(op),
      function()
        local server = faults.server { { request, faults.HONEST }, faults.honest() }
        local raw_client = faults.client(server.url, op)
        assert(faults.call(op, raw_client))
        assert.is_true(faults.eventually(function()
          return #server:requests() == 1
        end))
        assert.is_truthy(faults.call(op, raw_client))
        assert.are.equal(2, server:sends())
      end)
  end
end)

describe("A status", function()
  before_each(start_test)
  after_each(end_test)

  for op, method in pairs(METHODS) do
    it(("49: 401 once leads to one new token (%s)"):format(op), function()
      prepare()
      assert(client:put(faults.RECORD, faults.KEY))
      local before = seen(method)
      assert.is_truthy(call(op, { status = 401 }))
      assert.are.equal(1, exchanges())
      assert.are.equal(before + 2 + (method == "POST" and 1 or 0), seen(method))
      assert_works()
    end)

    it(("50: 401 for ever ends after one replay (%s)"):format(op), function()
      prepare()
      local value, err = call(op, { status = 401, times = 2 })
      assert.is_nil(value)
      assert.are.equal("unauthorized", err.kind)
      assert.are.equal(2, err.attempts)
      assert.is_false(err.ambiguous)
      assert.are.equal(1, exchanges())
      assert.are.equal(3, all_seen())
      assert_works()
    end)
  end

  -- row, status, kind
  local FINAL = {
    { 51, 403, "forbidden" },
    { 53, 400, "rejected" },
    { 53, 409, "conflict" },
    { 53, 412, "conflict" },
    { 53, 413, "rejected" },
    { 53, 422, "rejected" },
    { 58, 501, "server" },
  }

  for _, row in ipairs(FINAL) do
    for op, method in pairs(METHODS) do
      it(("%d: %d is final (%s)"):format(row[1], row[2], op), function()
        prepare()
        local value, err = call(op, { status = row[2] })
        assert.is_nil(value)
        assert.are.equal(row[3], err.kind)
        assert.are.equal(1, err.attempts)
        assert.are.equal(1, err.sends)
        assert.is_false(err.ambiguous)
        assert.are.equal(1, seen(method))
        assert.are.equal(1, all_seen())
        assert_works()
      end)
    end
  end

  it("52: 404 for the first and only delete is not_found", function()
    prepare()
    local value, err = faults.call("delete", client)
    assert.is_nil(value)
    assert.are.equal("not_found", err.kind)
    assert.are.equal(1, err.attempts)
    assert.is_false(err.ambiguous)
    assert_works()
  end)

  it("54: 429 with Retry-After is obeyed", function()
    prepare()
    local value, _, elapsed = call("put", { status = 429, headers = { ["Retry-After"] = 1 } })
    assert.is_truthy(value)
    assert.is_true(elapsed >= 1)
    assert.are.equal(2, seen("POST"))
    assert.are.equal(1, #emulator:secrets())
  end)

  for _, seconds in ipairs { 11, 3600 } do
    it(("55: 429 with a Retry-After of %d s ends the call at once"):format(seconds), function()
      prepare()
      local value, err, elapsed = call("put", {
        status = 429, headers = { ["Retry-After"] = seconds },
      })
      assert.is_nil(value)
      assert.are.equal("rate_limited", err.kind)
      assert.are.equal(seconds, err.retry_after)
      assert.are.equal(1, err.attempts)
      assert.is_true(err.retryable)
      faults.assert_in_time(elapsed, 0)
      assert_works()
    end)
  end

  it("56: 503 with a Retry-After in the year 2099 ends the call at once", function()
    prepare()
    local value, err, elapsed = call("put", {
      status = 503, headers = { ["Retry-After"] = "Wed, 11 Feb 2099 10:00:00 GMT" },
    })
    assert.is_nil(value)
    assert.are.equal("unavailable", err.kind)
    assert.is_true(err.retry_after > 1e9)
    assert.are.equal(1, err.attempts)
    faults.assert_in_time(elapsed, 0)
    assert_works()
  end)

  for _, header in ipairs { "-5", "soon", "12345678901234567890", "Wed, 11 Feb 1970 1:2 GMT" } do
    it(('56: 503 with "Retry-After: %s" is retried as without one'):format(header), function()
      prepare()
      local value, err, elapsed = call("put", {
        status = 503, headers = { ["Retry-After"] = header },
      })
      assert.is_nil(err)
      assert.is_truthy(value)
      faults.assert_in_time(elapsed, 1)
      assert.are.equal(2, seen("POST"))
    end)
  end

  for _, status in ipairs { 500, 502, 504 } do
    it(("57: %d twice is outlived"):format(status), function()
      prepare()
      assert.is_truthy(call("put", { status = status, times = 2 }))
      assert.are.equal(3, seen("POST"))
      assert.are.equal(3, events[#events].attempt)
      assert.are.equal(1, #emulator:secrets())
    end)
  end

  it("59: 500 for 1,000 calls is met by at most 1,010 requests", function()
    prepare()
    emulator:fail { op = "put", status = 500, times = math.huge }
    for _ = 1, 1000 do
      local value, err = client:put(faults.RECORD, faults.KEY)
      assert.is_nil(value)
      assert.are.equal("server", err.kind)
    end
    assert.is_true(seen("POST") <= 1010)
    assert.are.equal(0, exchanges())
  end)

  for _, status in ipairs { 301, 302, 303, 307, 308 } do
    for _, op in ipairs(faults.OPS) do
      it(("60: %d is not followed (%s)"):format(status, op), function()
        local other = faults.server { faults.honest() }
        local server = faults.server {
          {
            request,
            raw_server.answer(status, "", ("Location: %s/elsewhere\r\n"):format(other.url)),
            request, faults.HONEST,
          },
        }
        local raw_client = faults.client(server.url, op)
        local value, err = faults.call(op, raw_client)
        assert.is_nil(value)
        assert.are.equal("protocol", err.kind)
        assert.are.equal(1, err.attempts)
        assert.is_false(err.ambiguous)
        faults.assert_clean(err)
        assert.is_truthy(faults.call(op, raw_client))
        assert.are.same({}, other:requests())
      end)
    end
  end
end)
