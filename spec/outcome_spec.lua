local core = require "bytenite.secrets.core"
local service = require "service"

local KEY = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"
local RECORD = { id = "my-key", secretType = "s3" }
local REFUSAL = '{"ok":false,"error":{"code":403,"description":"no"}}'
local GONE = '{"ok":false,"requestId":"req-gone","error":{"code":404}}'

local fail = service.fail
local sleep = core.sleep

local emulator, client

local function statuses()
  local found = {}
  for position, request in ipairs(emulator:requests()) do
    found[position] = request.status
  end
  return table.concat(found, " ")
end

-- Runs a call and checks that it did not hang.
local function hurry(call, ...)
  local started = core.monotonic()
  local value, err = call(...)
  assert.is_true(core.monotonic() - started < 2, "it hung")
  return value, err
end

local function texts_of(value, found)
  found = found or {}
  if type(value) == "table" then
    for name, inner in pairs(value) do
      texts_of(name, found)
      texts_of(inner, found)
    end
  else
    found[#found + 1] = tostring(value)
  end
  return found
end

describe("what a call comes to", function()
  before_each(function()
    core.sleep = function() return true end
    emulator = service.start { seed = { RECORD } }
    client = service.open()
  end)

  after_each(function()
    core.sleep = sleep
    service.release()
  end)

  describe("within its time", function()
    it("is a timeout when one attempt takes too long, and it may be tried again", function()
      assert(client:authenticate())
      for _, op in ipairs { "list", "put" } do
        fail(op, { delay = 3 })
        local call = { timeout = 0.2, retries = 0 }
        local _, err = hurry(function()
          if op == "list" then return client:list(nil, call) end
          return client:put(RECORD, KEY, call)
        end)
        assert.equal("timeout", err.kind)
        assert.matches("^curl 28: ", err.cause)
        assert.is_true(err.retryable)
        assert.equal(op == "put", err.ambiguous)
        assert.equal(1, err.sends)
      end
    end)

    it("is tried again after an attempt that took too long", function()
      fail("list", { delay = 3, times = 2 })
      assert(hurry(client.list, client, nil, { timeout = 0.2 }))
      assert.equal(4, #emulator:requests())
    end)

    it("never goes past the deadline with its attempts", function()
      fail(nil, { delay = 3, times = 20 })
      local _, err = hurry(client.list, client, nil, { deadline = 0.4, retries = 10 })
      assert.equal("timeout", err.kind)
    end)

    it("never goes past the deadline with the token exchange", function()
      fail("authenticate", { delay = 3, times = 20 })
      local _, err = hurry(client.put, client, RECORD, KEY, { deadline = 0.4, retries = 10 })
      assert.equal("timeout", err.kind)
      assert.is_false(err.ambiguous)
      assert.matches("^put s3/my%-key: getting an access token: ", err.message)
    end)

    it("never goes past the deadline with waits", function()
      core.sleep = sleep
      fail("list", { status = 503, times = 20 })
      local _, err = hurry(client.list, client, nil, { deadline = 0.5, retries = 10 })
      assert.equal("unavailable", err.kind)
      assert.equal(503, err.status)
    end)

    it("takes the deadline and the timeout of the client where the call has none", function()
      client = service.open { deadline = 0.4, timeout = 0.3, retries = 0 }
      fail("list", { delay = 3, times = 2 })
      assert.equal("timeout", select(2, hurry(client.list, client)).kind)
      client = service.open { deadline = 0.4, timeout = 3 }
      assert.equal("timeout", select(2, hurry(client.list, client)).kind)
    end)

    it("is nothing sent when a credential used up all of it", function()
      client = service.open { api_key = function()
        local ends = core.monotonic() + 0.1
        repeat until core.monotonic() >= ends
        return emulator.api_key
      end }
      local _, err = client:list(nil, { deadline = 0.05 })
      assert.equal("timeout", err.kind)
      assert.matches("deadline", err.message)
      assert.equal(0, err.attempts)
      assert.equal(0, #emulator:requests())
    end)
  end)

  describe("for a write", function()
    it("stays open through definite failures after an attempt that may have been applied",
      function()
        for _, last in ipairs { 400, 403, 409, 501 } do
          fail("put", { status = 500 })
          fail("put", { status = last })
          local _, err = client:put(RECORD, KEY)
          assert.equal(last, err.status)
          assert.is_true(err.ambiguous)
          assert.equal(2, err.attempts)
        end
        fail("put", { status = 502 })
        fail("put", { status = 200, body = REFUSAL })
        assert.is_true(select(2, client:put(RECORD, KEY)).ambiguous)
      end)

    it("is not open after failures that applied nothing", function()
      fail("put", { status = 503 })
      fail("put", { status = 429 })
      fail("put", { status = 403 })
      local _, err = client:put(RECORD, KEY)
      assert.equal(3, err.attempts)
      assert.is_false(err.ambiguous)
    end)

    it("stays open when no new token can be had for the replay", function()
      assert(client:authenticate())
      fail("put", { status = 500 })
      fail("put", { status = 401 })
      fail("authenticate", { status = 401 })
      local _, err = client:put(RECORD, KEY)
      assert.equal("unauthorized", err.kind)
      assert.is_true(err.ambiguous)
      assert.equal(3, err.attempts)
      assert.equal(3, err.sends)
      -- What was open there says nothing of the next call, which the refused key fails.
      _, err = client:list()
      assert.equal("unauthorized", err.kind)
      assert.is_false(err.ambiguous)
    end)

    it("is never open for a list or an exchange", function()
      assert(client:authenticate())
      for _, op in ipairs { "list", "authenticate" } do
        for _, fault in ipairs { { status = 500 }, { status = 504 }, { drop = "after" },
          { status = 999 }, { status = 200, body = "{" } } do
          fault.times = 8
          fail(op, fault)
          local _, err = client[op](client, nil)
          assert.is_false(err.ambiguous)
          emulator:stop()
          emulator = service.start()
          client = service.open()
          assert(client:authenticate())
        end
      end
    end)

    it("is one record when the answer was lost and the put repeated", function()
      fail("put", { drop = "after" })
      assert(client:put({ id = "other", secretType = "s3" }, KEY))
      local stored = emulator:secrets()
      assert.equal(2, #stored)
      assert.equal(KEY, stored[2].secretKey)
    end)
  end)

  describe("for a delete", function()
    it("is absent when an attempt whose answer was lost had removed it", function()
      fail("delete", { drop = "after" })
      local receipt = assert(client:delete("s3", "my-key"))
      assert.is_true(receipt.ok)
      assert.is_true(receipt.absent)
      assert.same({}, emulator:secrets())
    end)

    it("is absent when 404 follows any failure that may have been a success", function()
      for _, status in ipairs { 500, 502, 504 } do
        fail("delete", { status = status })
        fail("delete", { status = 404, body = GONE })
        assert.same({ ok = true, absent = true, requestId = "req-gone" },
          client:delete("s3", "my-key"))
        fail("delete", { status = status })
        fail("delete", { status = 200, body = GONE })
        assert.same({ ok = true, absent = true, requestId = "req-gone" },
          client:delete("s3", "my-key"))
      end
    end)

    it("is not_found when 404 follows a failure that applied nothing", function()
      fail("delete", { status = 503 })
      local _, err = client:delete("s3", "other")
      assert.equal("not_found", err.kind)
      assert.equal(2, err.attempts)
      assert.is_false(err.ambiguous)
      assert.matches("no such secret", err.message)
    end)

    it("is absent after any 404 with missing_ok", function()
      local receipt = assert(client:delete("s3", "other", { missing_ok = true }))
      assert.is_true(receipt.ok)
      assert.is_true(receipt.absent)
      assert.is_string(receipt.requestId)
      fail("delete", { status = 200, body = GONE })
      assert.is_true(client:delete("s3", "my-key", { missing_ok = true }).absent)
      assert.is_nil(client:delete("s3", "my-key", { missing_ok = true }).absent)
    end)

    it("is no success with missing_ok after anything else", function()
      for _, status in ipairs { 400, 403, 409, 500, 302 } do
        fail("delete", { status = status })
        local _, err = client:delete("s3", "my-key", { missing_ok = true, retries = 0 })
        assert.equal(status, err.status)
      end
    end)
  end)

  describe("is told to on_event", function()
    local events

    local function names()
      local found = {}
      for position, event in ipairs(events) do
        found[position] = event.event .. (event.ok == false and "!" or "")
      end
      return table.concat(found, " ")
    end

    before_each(function()
      events = {}
      client = service.open { on_event = function(event)
        events[#events + 1] = event
      end }
    end)

    it("attempt by attempt, with each retry and renewal", function()
      fail("put", { status = 503, headers = { ["Retry-After"] = 3 } })
      fail("put", { status = 401 })
      assert(client:put(RECORD, KEY))
      assert.equal("200 503 401 200 200", statuses())
      assert.equal("attempt renewal attempt! retry attempt! attempt renewal attempt", names())
      local failed, retry = events[3], events[4]
      assert.equal("put s3/my-key", failed.op)
      assert.equal(1, failed.attempt)
      assert.equal(503, failed.status)
      assert.equal("unavailable", failed.kind)
      assert.equal(1, failed.sends)
      assert.is_true(failed.seconds >= 0)
      assert.equal(3, retry.wait)
      assert.equal(3600, events[2].expires_in)
    end)

    it("without a secret", function()
      fail("put", { status = 500, body = '{"message":"' .. KEY .. emulator.api_key .. '"}' })
      fail("list", { status = 401 })
      assert(client:put(RECORD, KEY))
      assert(client:list())
      local token = emulator:requests()[2].headers.authorization
      local all = table.concat(texts_of(events), " ")
      assert.is_true(#events >= 9)
      for _, secret in ipairs { KEY, emulator.api_key, token } do
        assert.is_nil(all:find(secret, 1, true))
      end
    end)

    it("and an error that the function raises goes on to the caller", function()
      client = service.open { on_event = function()
        error("stop it")
      end }
      assert.has_error(function()
        client:list()
      end)
      client:close()
      client = service.open()
      assert(client:list())
    end)
  end)
end)
