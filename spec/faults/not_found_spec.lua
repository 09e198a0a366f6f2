-- Case A1: a 404 that the service did not write. A delete that is called done must be done. The
-- emulator's state and its requests show what really happened.

local core = require "bytenite.secrets.core"
local service = require "service"

local RECORD = { id = "my-key", secretType = "s3" }
local OTHERS = { { id = "other", secretType = "s3" }, { id = "my-key", secretType = "gcp" } }
local HTML = { ["Content-Type"] = "text/html" }
local TEXT = { ["Content-Type"] = "text/plain" }

-- Where a 404 comes from. `own`: the service wrote it.
local ORIGINS = {
  {
    name = "the service, in its envelope",
    own = true,
    body = '{"ok":false,"requestId":"r-1","message":"does not exist","error":'
      .. '{"code":404,"message":"does not exist","description":"no such secret"}}',
    requestId = "r-1",
  },
  {
    name = "the service, in its envelope without what protojson may leave out",
    own = true,
    body = '{"requestId":"r-2","error":{"code":404,"message":"does not exist"}}',
    requestId = "r-2",
  },
  {
    name = "the service, in an envelope with a code of its own and a new member",
    own = true,
    body = '{"ok":false,"requestId":"r-3","error":{"code":"1","message":"gone"},"trace":"x"}',
    requestId = "r-3",
  },
  {
    name = "the service, in an envelope without a request id",
    own = true,
    body = '{"error":{"code":404,"message":"does not exist","description":""}}',
  },
  {
    name = "the service, as a gRPC status",
    own = true,
    body = '{"code":5,"message":"secret s3/my-key does not exist","details":[]}',
  },
  {
    name = "the service, as a gRPC status without details",
    own = true,
    body = '{"code":5,"message":"secret s3/my-key does not exist"}',
  },
  { name = "the gateway's router", body = '{"code":5,"message":"Not Found","details":[]}' },
  { name = "the gateway's router, without details", body = '{"code":5,"message":"Not Found"}' },
  {
    name = "the router of an older gateway",
    body = '{"error":"Not Found","code":5,"message":"Not Found","details":[]}',
  },
  { name = "a gRPC status without words", body = '{"code":5,"message":"","details":[]}' },
  { name = "Kong", body = '{"message":"no Route matched with those values"}' },
  { name = "Kong, with a request id",
    body = '{"message":"no Route matched with those values","request_id":"4f"}' },
  {
    name = "Google's front end",
    body = '{"error":{"code":404,"message":"Requested entity was not found.",'
      .. '"status":"NOT_FOUND"}}',
  },
  { name = "Google's endpoints",
    body = '{"code":404,"message":"The current request is not defined by this API."}' },
  {
    name = "Apigee",
    body = '{"fault":{"faultstring":"Unable to identify proxy","detail":'
      .. '{"errorcode":"messaging.adaptors.http.flow.ApplicationNotFound"}}}',
  },
  { name = "Azure's gateway", body = '{"statusCode":404,"message":"Resource not found"}' },
  { name = "WSO2",
    body = '{"code":"404","type":"Status report","message":"Not Found","description":"none"}' },
  {
    name = "Spring",
    body = '{"timestamp":"2026-01-01T00:00:00Z","status":404,"error":"Not Found",'
      .. '"path":"/v1/auth/secrets/s3/my-key"}',
  },
  { name = "FastAPI", body = '{"detail":"Not Found"}' },
  { name = "Flask", body = '{"code":404,"name":"Not Found","description":"no such URL"}' },
  { name = "another API, by a text", body = '{"error":"not found"}' },
  { name = "another API, by ok and a text", body = '{"ok":false,"error":"not_found"}' },
  { name = "another API, by ok and a code",
    body = '{"ok":false,"error_code":404,"description":"Not Found"}' },
  { name = "another API, by an error without a code",
    body = '{"ok":false,"requestId":"r","error":{"message":"not found"}}' },
  { name = "another API, by a code in words",
    body = '{"requestId":"r","error":{"code":"not_found","message":"not found"}}' },
  { name = "something that says ok",
    body = '{"ok":true,"requestId":"r","error":{"code":404,"message":"m","description":"d"}}' },
  { name = "an empty object", body = "{}" },
  { name = "an empty array", body = "[]" },
  { name = "null", body = "null" },
  { name = "an array of envelopes",
    body = '[{"ok":false,"requestId":"r","error":{"code":404,"description":"d"}}]' },
  { name = "a service mesh, without a body", body = "" },
  { name = "a load balancer, in text", body = "404 page not found\n", headers = TEXT },
  { name = "nginx, in HTML", headers = HTML,
    body = "<html><head><title>404 Not Found</title></head></html>" },
  { name = "a web firewall, in HTML", headers = HTML,
    body = "<html><body>The requested URL was rejected. Support ID: 123</body></html>" },
  { name = "the service, cut short by a proxy",
    body = '{"ok":false,"requestId":"r-1","error":{"code":404,"descr' },
}

-- Answers in place of the service, with a status other than 404.
local PORTALS = {
  { name = "a captive portal that redirects", status = 302,
    headers = { Location = "http://portal.example/login" }, body = "" },
  { name = "a captive portal's login page", status = 200, headers = HTML,
    body = "<html><form action='/login'></form></html>" },
}

local emulator, client, first

local function fault(origin)
  return { status = origin.status or 404, headers = origin.headers, body = origin.body }
end

-- The requests since the client got its token: "DELETE 404 GET 200".
local function seen()
  local words = {}
  for position, request in ipairs(emulator:requests()) do
    if position > first then
      words[#words + 1] = request.method .. " " .. request.status
    end
  end
  return table.concat(words, " ")
end

local function is_stored()
  for _, secret in ipairs(emulator:secrets()) do
    if secret.secretType == "s3" and secret.id == "my-key" then return true end
  end
  return false
end

local function start(options)
  emulator = service.start { seed = { RECORD, OTHERS[1], OTHERS[2] } }
  client = service.open(options)
  assert(client:authenticate())
  first = #emulator:requests()
end

local function forget()
  first = #emulator:requests()
end

-- The access token, as a request shows it.
local function find_token()
  assert(client:list())
  local requests = emulator:requests()
  return requests[#requests].headers.authorization
end

-- Removes the secret through another client.
local function remove()
  local other = service.open()
  assert(other:delete("s3", "my-key"))
  forget()
end

local function assert_protocol(value, err)
  assert.is_nil(value)
  assert.equal("protocol", err.kind, tostring(err))
  assert.matches("base_url", err.hint)
  return err
end

local function assert_absent(requestId, value, err)
  assert.is_nil(err)
  assert.same({ ok = true, absent = true, requestId = requestId }, value)
end

-- Retries do not wait.
local sleep = core.sleep

local function release()
  core.sleep = sleep
  service.release()
end

-- What happens before the 404, and whether the secret is stored when it comes.
local SITUATIONS = {
  { name = "", stored = true, final = true },
  { name = "with missing_ok ", missing_ok = true, stored = true },
  { name = "with missing_ok of what is not stored ", missing_ok = true },
  { name = "after a 502 ", before = { status = 502 }, stored = true },
  { name = "after a request that was lost ", before = { drop = "before" }, stored = true },
  { name = "after an answer that was lost ", before = { drop = "after" } },
  { name = "after an answer that was cut off ", before = { drop = "midway" } },
}

local function requests_of(situation, origin)
  local words = { "DELETE 404" }
  local before = situation.before
  if before then
    table.insert(words, 1, "DELETE " .. (before.status or before.drop == "midway" and 200 or 0))
  end
  if not origin.own and not situation.final then words[#words + 1] = "GET 200" end
  return table.concat(words, " "), #words
end

local function check_refused(situation, origin, err)
  local _, sends = requests_of(situation, origin)
  assert.equal(origin.own and "not_found" or "protocol", err.kind, tostring(err))
  assert.same({ 404, situation.before ~= nil, false, sends },
    { err.status, err.ambiguous, err.retryable, err.sends })
  if origin.own then return end
  assert.matches("nothing at this address %(HTTP 404", err.message)
  assert.matches("base_url", err.hint)
  if not situation.final then assert.matches("; the secret is still stored%)", err.message) end
end

local function check_delete(situation, origin)
  if not situation.stored and not situation.before then remove() end
  if situation.before then service.fail("delete", situation.before) end
  service.fail("delete", fault(origin))
  local value, err = client:delete("s3", "my-key", { missing_ok = situation.missing_ok })
  if situation.final or situation.stored and not origin.own then
    assert.is_nil(value)
    check_refused(situation, origin, err)
  else
    assert_absent(origin.requestId, value, err)
  end
  assert.equal(requests_of(situation, origin), seen())
  assert.equal(situation.stored or false, is_stored())
end

local METHODS = {
  list = function() return client:list() end,
  put = function() return client:put(RECORD, "key") end,
  authenticate = function() return client:authenticate() end,
}

describe("A1: a call", function()
  before_each(function() start() end)
  after_each(release)

  for _, origin in ipairs(ORIGINS) do
    it("answered 404 by " .. origin.name .. " says to check base_url", function()
      for op, call in pairs(METHODS) do
        forget()
        service.fail(op, fault(origin))
        local value, err = call()
        assert.is_nil(value)
        assert.equal(origin.own and "not_found" or "protocol", err.kind)
        assert.matches("^" .. op .. ".*: the service has nothing at this address", err.message)
        assert.matches("base_url", err.hint)
        assert.same({ 404, false, false, 1, 1 },
          { err.status, err.ambiguous, err.retryable, err.attempts, err.sends })
        assert.matches("^%u+ 404$", seen())
      end
    end)
  end
end)

describe("A1: a delete", function()
  before_each(function()
    core.sleep = function() return true end
    start()
  end)
  after_each(release)

  for _, origin in ipairs(ORIGINS) do
    for _, situation in ipairs(SITUATIONS) do
      it(situation.name .. "answered 404 by " .. origin.name .. " is called done only if it is",
        function()
          check_delete(situation, origin)
        end)
    end

    it("answered under 200 by " .. origin.name .. " is called done only if it is", function()
      service.fail("delete", { body = origin.body, headers = origin.headers })
      local value = client:delete("s3", "my-key", { missing_ok = true })
      assert.is_true(origin.own or not (value and value.absent))
      assert.is_true(is_stored())
    end)

    it("is not called done after 404 to its token exchange by " .. origin.name, function()
      local fresh = service.open { retries = 0 }
      service.fail("authenticate", fault(origin))
      local value, err = fresh:delete("s3", "my-key", { missing_ok = true })
      assert.is_nil(value)
      assert.equal(origin.own and "not_found" or "protocol", err.kind)
      assert.matches("getting an access token: the service has nothing at this address",
        err.message)
      assert.matches("base_url", err.hint)
      assert.equal("POST 404", seen())
      assert.is_true(is_stored())
    end)
  end

  for _, portal in ipairs(PORTALS) do
    it("answered by " .. portal.name .. " is not called done", function()
      for _, before in ipairs { false, { status = 502 }, { drop = "before" } } do
        forget()
        if before then service.fail("delete", before) end
        service.fail("delete", fault(portal))
        local err = assert_protocol(client:delete("s3", "my-key", { missing_ok = true }))
        assert.equal(portal.status, err.status)
        assert.not_matches("GET", seen())
        assert.is_true(is_stored())
      end
    end)
  end

  it("answered 404 under 200 by a gateway is not called done", function()
    for _, body in ipairs { '{"code":5,"message":"Not Found","details":[]}',
      '{"code":404,"message":"no route"}', '{"ok":false,"code":404,"message":"no route"}',
      '{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}' } do
      forget()
      service.fail("delete", { body = body })
      local err = assert_protocol(client:delete("s3", "my-key", { missing_ok = true }))
      assert.matches("%(code %d+; the secret is still stored%)", err.message)
      assert.equal("DELETE 200 GET 200", seen())
      forget()
      service.fail("delete", { body = body })
      assert_protocol(client:delete("s3", "my-key"))
      assert.equal("DELETE 200", seen())
    end
    assert.is_true(is_stored())
  end)

  it("answered 404 under 200 by the service is called done as under 404", function()
    for _, body in ipairs { '{"ok":false,"error":{"code":404}}',
      '{"code":5,"message":"no such secret","details":[]}',
      '{"error":{"code":5,"message":"m","description":"d"}}' } do
      forget()
      service.fail("delete", { body = body })
      assert_absent(nil, client:delete("s3", "my-key", { missing_ok = true }))
      service.fail("delete", { body = body })
      local _, err = client:delete("s3", "my-key")
      assert.equal("not_found", err.kind)
      assert.equal("DELETE 200 DELETE 200", seen())
    end
  end)

  for kind, omit_defaults in pairs { whole = false, short = true } do
    it("answered 404 by the emulator, in its " .. kind .. " envelope, is called done", function()
      service.release()
      emulator = service.start { omit_defaults = omit_defaults }
      client = service.open()
      local _, err = client:delete("s3", "my-key")
      assert.equal("not_found", err.kind)
      forget()
      local receipt = assert(client:delete("s3", "my-key", { missing_ok = true }))
      assert.is_true(receipt.absent)
      assert.is_string(receipt.requestId)
      assert.equal("DELETE 404", seen())
    end)
  end

  it("that is not called done still says what the gateway said", function()
    service.fail("delete", fault { body = '{"message":"no Route matched"}' })
    local err = assert_protocol(client:delete("s3", "my-key", { missing_ok = true }))
    assert.equal("no Route matched", err.description)
    assert.equal("delete s3/my-key: the service has nothing at this address (HTTP 404; the secret "
      .. "is still stored): no Route matched", err.message)
  end)

  it("with a path too many in base_url is not called done", function()
    local token = find_token()
    forget()
    local lost = service.open { base_url = emulator.url .. "/api", access_token = token }
    assert_protocol(lost:delete("s3", "my-key"))
    assert.equal("DELETE 404", seen())
    local err = assert_protocol(lost:delete("s3", "my-key", { missing_ok = true }))
    assert.matches("HTTP 404; listing the secrets: the service has nothing at this address",
      err.message)
    assert.equal("DELETE 404 DELETE 404 GET 404", seen())
    assert_protocol(lost:list())
    assert_protocol(lost:get("s3", "my-key"))
    assert_protocol(lost:put(RECORD, "key"))
    assert_protocol(lost:rotate("s3", "my-key", "key"))
    assert.is_true(is_stored())
  end)

  -- Answers to the listing that must not confirm a delete.
  local NO_LISTING = {
    ["the router's 404"] = { status = 404, body = '{"code":5,"message":"Not Found"}' },
    ["the service's 404"] = { status = 404, body = ORIGINS[1].body },
    ["a proxy's 502"] = { status = 502, headers = HTML, body = "<html>" },
    ["a web firewall's 403"] = { status = 403, headers = HTML, body = "<html>" },
    ["a redirection"] = { status = 302, headers = { Location = "http://portal.example/" } },
    ["a login page"] = { status = 200, headers = HTML, body = "<html>" },
    ["an empty page"] = { status = 200, body = "" },
    ["no content"] = { status = 204, body = "" },
    ["the health of something else"] = { status = 200, body = '{"status":"UP"}' },
    ["a listing of something else"] = { status = 200,
      body = '{"secrets":[{"name":"projects/1/secrets/my-key"}]}' },
    ["an array"] = { status = 200, body = "[]" },
    ["null"] = { status = 200, body = "null" },
    ["a refusal"] = { status = 200, body = '{"ok":false}' },
    ["half of an answer"] = { drop = "midway" },
    ["no answer"] = { drop = "before" },
  }

  for name, listing in pairs(NO_LISTING) do
    it("is not called done when the listing brings " .. name, function()
      local function fail()
        service.fail("delete", { status = 404, headers = HTML, body = "<html>" })
        listing.op, listing.times = "list", 10
        emulator:fail(listing)
      end
      local function check(ambiguous, value, err)
        assert_protocol(value, err)
        assert.equal(404, err.status)
        assert.equal(ambiguous, err.ambiguous)
        assert.matches("HTTP 404; .*listing", err.message)
        assert.matches("DELETE 404 GET", seen())
        assert.equal(#emulator:requests() - first, err.sends)
        assert.is_true(is_stored())
      end
      fail()
      check(false, client:delete("s3", "my-key", { missing_ok = true }))
      service.release()
      start()
      service.fail("delete", { status = 502 })
      fail()
      check(true, client:delete("s3", "my-key"))
    end)
  end

  it("is retryable when its listing may work later", function()
    for status, retryable in pairs { [503] = true, [403] = false } do
      service.fail("delete", { status = 404, body = "" })
      service.fail("list", { status = status, times = 3 })
      local err = assert_protocol(client:delete("s3", "my-key", { missing_ok = true }))
      assert.equal(retryable, err.retryable)
      service.release()
      start()
    end
  end)

  it("retries its listing, within the deadline", function()
    service.fail("delete", { status = 404, body = "" })
    service.fail("list", { status = 503 })
    local err = assert_protocol(client:delete("s3", "my-key", { missing_ok = true }))
    assert.equal("DELETE 404 GET 503 GET 200", seen())
    assert.same({ 3, 3 }, { err.attempts, err.sends })
    service.fail("delete", { status = 404, body = "" })
    service.fail("list", { delay = 5 })
    local started = core.monotonic()
    err = assert_protocol(client:delete("s3", "my-key", { missing_ok = true, deadline = 0.5 }))
    assert.matches("listing the secrets: no answer in time", err.message)
    assert.is_true(core.monotonic() - started < 2)
    assert.is_true(err.retryable)
  end)

  it("is called done although another type has the same id", function()
    remove()
    service.fail("delete", { status = 404, body = "" })
    assert_absent(nil, client:delete("s3", "my-key", { missing_ok = true }))
    assert.equal(2, #emulator:secrets())
  end)

  it("is cancelled when the client is closed before its listing", function()
    local closing
    closing = service.open {
      on_event = function(event)
        if event.status == 404 then closing:close() end
      end,
    }
    assert(closing:authenticate())
    service.fail("delete", { status = 502 })
    service.fail("delete", { status = 404, body = "" })
    local value, err = closing:delete("s3", "my-key")
    assert.is_nil(value)
    assert.equal("cancelled", err.kind)
    assert.is_true(err.ambiguous)
    assert.is_true(is_stored())
  end)

  it("asks for the access token once, for its listing too", function()
    local asked, token = 0, find_token()
    local asking = service.open {
      access_token = function()
        asked = asked + 1
        return token
      end,
    }
    service.fail("delete", { status = 404, body = "" })
    assert_protocol(asking:delete("s3", "my-key", { missing_ok = true }))
    assert.equal(1, asked)
  end)
end)

describe("A1: a bulk delete", function()
  before_each(function()
    start { retries = 1 }
  end)
  after_each(service.release)

  local function outcomes(report)
    local found = {}
    for position, result in ipairs(report.results) do
      found[position] = result.ok and (result.receipt.absent and "absent" or "ok")
        or result.err.kind
    end
    return table.concat(found, " ")
  end

  it("with missing_ok names the secrets that are still stored", function()
    local refs = { RECORD, { secretType = "s3", id = "never" }, OTHERS[1], OTHERS[2] }
    service.fail("delete", { status = 404, headers = HTML, body = "<html>", times = 3 })
    local report = assert(client:delete_all(refs, { missing_ok = true, concurrency = 1 }))
    assert.equal("protocol absent protocol ok", outcomes(report))
    assert.same({ false, 2, 2 }, { report.ok, report.done, report.failed })
    assert.matches("still stored", report.results[1].err.message)
    assert.equal(2, #emulator:secrets())
    report = assert(client:delete_all(refs, { missing_ok = true }))
    assert.equal("ok absent ok absent", outcomes(report))
    assert.same({}, emulator:secrets())
  end)

  it("looks again after attempts that may have been applied", function()
    service.fail("delete", { status = 502 })
    service.fail("delete", { status = 404, body = "" })
    service.fail("delete", { drop = "after" })
    service.fail("delete", { status = 404, body = "" })
    local report = assert(client:delete_all({ RECORD, OTHERS[1] }, { concurrency = 1 }))
    assert.equal("protocol absent", outcomes(report))
    assert.is_true(report.results[1].err.ambiguous)
    assert.is_true(is_stored())
  end)

  it("fails at once without either", function()
    service.fail("delete", { status = 404, body = "", times = 3 })
    local report = assert(client:delete_all { RECORD, OTHERS[1], OTHERS[2] })
    assert.equal("protocol protocol protocol", outcomes(report))
    assert.not_matches("GET", seen())
    assert.equal(3, #emulator:secrets())
  end)

  it("of a plan looks again as well", function()
    for _, lost in ipairs { false, true } do
      local plan = assert(client:plan({}, { prune = { secretType = "s3", match = "^my%-key$" } }))
      if lost then service.fail("delete", { drop = "after" }) end
      if not lost then service.fail("delete", { status = 502 }) end
      service.fail("delete", { status = 404, headers = HTML, body = "<html>" })
      local report = assert(client:apply(plan))
      assert.equal(lost and "absent" or "protocol", outcomes(report))
      assert.equal(not lost, is_stored())
    end
  end)
end)
