local emulators = require "bytenite.secrets.emulator"
local secrets = require "bytenite.secrets"

local KEY = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"
local RECORD = { id = "my-key", secretType = "s3" }
local MANGLED = "<html><title>Bad gateway</title><p>mangled by a proxy"

local emulator, client

local CALLS = {
  list = function()
    return client:list()
  end,
  put = function()
    return client:put(RECORD, KEY)
  end,
  delete = function()
    return client:delete("s3", "my-key")
  end,
  authenticate = function()
    return client:authenticate()
  end,
}

local OPS = { "list", "put", "delete", "authenticate" }
local NAMES = { list = "list", put = "put s3/my-key", delete = "delete s3/my-key",
  authenticate = "authenticate" }

-- Lets the service answer `times` requests so, and gives what the call then returns.
local function call(op, fault)
  fault.op, fault.times = op, fault.times or 1
  emulator:fail(fault)
  return CALLS[op]()
end

local function failure(op, fault)
  local value, err = call(op, fault)
  assert.is_nil(value)
  assert.is_not_nil(err)
  return err
end

-- status, kind, retryable, whether a write may have been applied; kind when the body is not in the
-- service's own words, where that makes a difference
local STATUSES = {
  { 301, "protocol", false, false },
  { 302, "protocol", false, false },
  { 303, "protocol", false, false },
  { 307, "protocol", false, false },
  { 308, "protocol", false, false },
  { 400, "rejected", false, false },
  { 403, "forbidden", false, false },
  { 404, "not_found", false, false, "protocol" },
  { 405, "rejected", false, false },
  { 408, "timeout", true, false },
  { 409, "conflict", false, false },
  { 410, "rejected", false, false },
  { 412, "conflict", false, false },
  { 413, "rejected", false, false },
  { 418, "rejected", false, false },
  { 422, "rejected", false, false },
  { 429, "rate_limited", true, false },
  { 500, "server", true, true },
  { 501, "server", false, false },
  { 502, "unavailable", true, true },
  { 503, "unavailable", true, false },
  { 504, "unavailable", true, true },
  { 505, "server", false, false },
  { 599, "server", false, false },
  { 600, "protocol", false, true },
  { 999, "protocol", false, true },
}

-- The failure bodies that the service and what stands before it may send.
local BODIES = {
  {
    name = "an envelope",
    body = '{"ok":false,"requestId":"req-7","message":"short","error":'
      .. '{"code":77,"message":"middle","description":"the long story"}}',
    own = true,
    code = 77,
    description = "the long story",
    requestId = "req-7",
  },
  {
    name = "a gRPC status",
    body = '{"code":9,"message":"told by the gateway","details":[{"@type":"x"}]}',
    own = true,
    code = 9,
    description = "told by the gateway",
  },
  { name = "HTML", body = MANGLED, headers = { ["Content-Type"] = "text/html" } },
  { name = "text", body = "mangled by a proxy\n", headers = { ["Content-Type"] = "text/plain" } },
  { name = "empty", body = "" },
}

local function check_common(err, op, where)
  assert.equal(NAMES[op], err.op, where)
  assert.is_true(#err.message <= 512, where)
  assert.is_nil(err.message:find("[%c\127]"), where)
  assert.equal(NAMES[op] .. ": ", err.message:sub(1, #NAMES[op] + 2), where)
  assert.is_true(#err.message > #NAMES[op] + 20, where)
  assert.is_true(#err.hint > 10, where)
  assert.is_nil(tostring(err):find("mangled", 1, true), where)
  assert.is_nil(tostring(err):find(KEY, 1, true), where)
end

local function check_status(op, expected, body)
  local status, kind, retryable, ambiguous = expected[1], expected[2], expected[3], expected[4]
  local where = op .. " " .. status .. " " .. tostring(body.description)
  local err = failure(op, { status = status, body = body.body, headers = body.headers })
  check_common(err, op, where)
  assert.equal(not body.own and expected[5] or kind, err.kind, where)
  assert.equal(status, err.status, where)
  assert.equal(body.code, err.code, where)
  assert.equal(body.description, err.description, where)
  assert.equal(body.requestId, err.requestId, where)
  assert.equal(retryable, err.retryable, where)
  assert.equal(ambiguous and (op == "put" or op == "delete"), err.ambiguous, where)
  assert.equal(1, err.attempts, where)
  assert.equal(1, err.sends, where)
  assert.is_truthy(err.message:find("HTTP " .. status, 1, true), where)
  if body.description then
    assert.is_truthy(err.message:find(body.description, 1, true), where)
  end
end

describe("a failure that the service answers with", function()
  before_each(function()
    emulator = assert(emulators.start { seed = { RECORD } })
    client = assert(secrets.new { api_key = emulator.api_key, base_url = emulator.url,
      retries = 0, ignore_env = true })
    assert(client:authenticate())
  end)

  after_each(function()
    client:close()
    emulator:stop()
    client, emulator = nil, nil
  end)

  for _, body in ipairs(BODIES) do
    it("is told by its status, with a body that is " .. body.name, function()
      for _, op in ipairs(OPS) do
        for _, expected in ipairs(STATUSES) do
          check_status(op, expected, body)
        end
      end
      -- Nothing was applied, and nothing stuck: the client goes on.
      assert.equal(1, #assert(client:list()))
    end)

    it("is unauthorized under 401, with a body that is " .. body.name, function()
      for _, op in ipairs(OPS) do
        -- A token is exchanged anew and the call replayed; a refused key is not tried again.
        local tries = op == "authenticate" and 1 or 2
        local err = failure(op, { status = 401, times = tries, body = body.body })
        check_common(err, op, op)
        assert.equal("unauthorized", err.kind)
        assert.equal(401, err.status)
        assert.equal(body.code, err.code)
        assert.equal(body.description, err.description)
        assert.is_false(err.retryable)
        assert.is_false(err.ambiguous)
        assert.equal(tries, err.attempts)
      end
    end)
  end

  it("keeps its own words although they are long, on one line", function()
    local story = ("all about it\\n"):rep(200)
    local err = failure("put", { status = 400, body = '{"message":"' .. story .. '"}' })
    assert.is_true(#err.message <= 512)
    assert.matches("all about it all about it", err.message)
    assert.not_matches("%c", err.message)
    assert.is_true(#err.description > 1000)
    assert.not_matches("%c", err.description)
  end)

  it("does not give away the key, the API key or the token that its words quote", function()
    client:list()
    local token = emulator:requests()[2].headers.authorization
    local words = { KEY, emulator.api_key, token }
    for number, op in ipairs { "put", "authenticate", "list" } do
      local err = failure(op, { status = 400,
        body = ('{"error":{"code":1,"description":"bad: %s"}}'):format(words[number]) })
      assert.matches("bad: %*+", err.description)
      for _, text in ipairs { tostring(err), err.description, err.message } do
        assert.is_nil(text:find(words[number], 1, true))
        assert.is_nil(text:find(words[number]:sub(1, 12), 1, true))
      end
    end
  end)

  it("may carry a body of another form than its own JSON", function()
    for _, body in ipairs { "[]", "[1,2]", "null", "12", '"text"', '{"error":"text"}', "{",
      '{"error":{"code":"x","message":5}}', '{"code":1e300}', '{"code":{},"message":[]}' } do
      local err = failure("put", { status = 403, body = body })
      check_common(err, "put", body)
      assert.equal("forbidden", err.kind, body)
      assert.is_nil(err.code, body)
      assert.is_nil(err.description, body)
    end
  end)

  it("takes the code also as text, as protojson writes some numbers", function()
    local err = failure("put", { status = 400, body = '{"code":"5","message":"m"}' })
    assert.equal(5, err.code)
  end)

  it("takes the error's message when it has no description", function()
    local err = failure("put", { status = 400,
      body = '{"message":"outer","error":{"code":3,"message":"inner","description":""}}' })
    assert.equal("inner", err.description)
    err = failure("put", { status = 400, body = '{"message":"outer","error":{"code":3}}' })
    assert.equal("outer", err.description)
  end)
end)

describe("a 200 that is no success", function()
  before_each(function()
    emulator = assert(emulators.start())
    client = assert(secrets.new { api_key = emulator.api_key, base_url = emulator.url,
      retries = 2, ignore_env = true })
    assert(client:authenticate())
  end)

  after_each(function()
    client:close()
    emulator:stop()
    client, emulator = nil, nil
  end)

  local function refusal(code)
    return ('{"ok":false,"requestId":"req-9","error":{"code":%d,"description":"told"}}')
      :format(code)
  end

  it("has the kind of the code in its body", function()
    local kinds = { [403] = "forbidden", [7] = "forbidden", [404] = "not_found", [5] = "not_found",
      [400] = "rejected", [3] = "rejected", [409] = "rejected", [500] = "rejected",
      [503] = "rejected", [14] = "rejected", [0] = "rejected" }
    for code, kind in pairs(kinds) do
      for _, op in ipairs { "put", "delete" } do
        local err = failure(op, { body = refusal(code) })
        check_common(err, op, op .. code)
        assert.equal(kind, err.kind, op .. code)
        assert.equal(200, err.status)
        assert.equal(code, err.code)
        assert.equal("told", err.description)
        assert.equal("req-9", err.requestId)
        assert.is_false(err.retryable)
        assert.is_false(err.ambiguous)
        assert.equal(1, err.attempts)
        assert.matches("told", err.message)
      end
    end
  end)

  it("leads to one new token when the code is 401 or 16", function()
    for _, code in ipairs { 401, 16 } do
      for _, op in ipairs { "put", "delete" } do
        local before = #emulator:requests()
        local err = failure(op, { body = refusal(code), times = 2 })
        assert.equal("unauthorized", err.kind)
        assert.equal(200, err.status)
        assert.equal(2, err.attempts)
        assert.equal(3, #emulator:requests() - before)
      end
    end
  end)

  it("is rejected when ok is missing or anything but true", function()
    for _, body in ipairs { "{}", '{"ok":null}', '{"ok":1}', '{"ok":"true"}', '{"ok":{}}',
      '{"ok":false}', '{"message":"done"}', '{"error":null}', '{"OK":true}' } do
      for _, op in ipairs { "put", "delete" } do
        local err = failure(op, { body = body })
        check_common(err, op, body)
        assert.equal("rejected", err.kind, body)
        assert.equal(200, err.status, body)
        assert.equal(1, err.attempts, body)
      end
    end
  end)

  it("is a success all the same when ok is true beside an error object", function()
    local receipt = assert(call("put", { body = '{"ok":true,"requestId":"r","message":"stored",'
      .. '"error":{"code":404,"message":"","description":""}}' }))
    assert.same({ ok = true, requestId = "r", message = "stored" }, receipt)
    assert.same({ ok = true }, call("delete", { body = '{"ok":true}' }))
  end)

  it("is protocol and final when it is not JSON, and leaves a write open", function()
    for _, body in ipairs { "", MANGLED, "mangled", "{", "{} x", "[NaN]", '{"ok":true',
      '\239\187\191{"ok":true}', '{"ok":tru}', "nul", '{"ok":true}{"ok":true}' } do
      for _, op in ipairs(OPS) do
        local err = failure(op, { body = body })
        check_common(err, op, body)
        assert.equal("protocol", err.kind, op .. body)
        assert.equal(200, err.status)
        assert.is_false(err.retryable)
        assert.equal(op == "put" or op == "delete", err.ambiguous, op .. body)
        assert.equal(1, err.attempts)
      end
    end
  end)

  it("is protocol when it is JSON of another shape", function()
    local shapes = {
      list = { "[]", "null", "1", '"x"', '{"secrets":{}}', '{"secrets":{"a":1}}',
        '{"secrets":"x"}', '{"secrets":false}', '{"secrets":[1]}', '{"secrets":[[]]}',
        '{"secrets":[null]}', '{"other":1}' },
      put = { "[]", "null", "true", '"ok"', '[{"ok":true}]' },
      delete = { "[]", "null", "true", '"ok"', '[{"ok":true}]' },
      authenticate = { "[]", "null", "{}", '{"token":""}', '{"token":5}', '{"token":null}',
        '{"token":"a\\nb"}', '{"token":"t","expiresIn":"soon"}', '{"token":"t","expiresIn":-1}' },
    }
    for op, bodies in pairs(shapes) do
      for _, body in ipairs(bodies) do
        local err = failure(op, { body = body })
        check_common(err, op, body)
        assert.equal("protocol", err.kind, op .. body)
        assert.equal(op == "put" or op == "delete", err.ambiguous, op .. body)
      end
    end
  end)

  it("keeps the token that there was when an exchange brings none", function()
    failure("authenticate", { body = "{}" })
    local before = #emulator:requests()
    assert(client:list())
    assert.equal(1, #emulator:requests() - before)
  end)

  it("is an empty list when there are no secrets in it", function()
    for _, body in ipairs { "{}", '{"secrets":null}', '{"secrets":[]}',
      '{"secrets":[],"other":1}' } do
      assert.same({}, call("list", { body = body }), body)
    end
  end)

  it("may have any other status of success", function()
    for _, status in ipairs { 201, 202, 206, 299 } do
      assert.same({ ok = true }, call("put", { status = status, body = '{"ok":true}' }))
    end
  end)
end)
