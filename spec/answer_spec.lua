local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"

local TOKEN = "token-0123456789abcdef"
local KEY = "wJalrXUtnFEMI/K7MDENG"
local LIST_LIMIT = 100000
local OTHER_LIMIT = 256 * 1024

local emulator, client

--- What the answer `body` makes of each operation, `status` being 200 by default.

local function answer(op, body, status, headers)
  emulator:fail { op = op, status = status or 200, body = body, headers = headers }
end

local function list(...)
  answer("list", ...)
  return client:list(nil, 5)
end

local function put(...)
  answer("put", ...)
  return client:put({ id = "a", secretType = "s3" }, KEY, 5)
end

local function delete(...)
  answer("delete", ...)
  return client:delete("s3", "a", 5)
end

local function authenticate(...)
  answer("authenticate", ...)
  return client:authenticate(KEY, 5)
end

local OPERATIONS = { list = list, put = put, delete = delete, authenticate = authenticate }

local function assert_facts(expected, value, facts)
  assert.is_nil(value)
  expected.sends = 1
  assert.same(expected, facts)
end

local function assert_form(detail, value, facts)
  assert_facts({ reason = "form", status = 200, detail = detail }, value, facts)
end

describe("an answer", function()
  before_each(function()
    emulator = assert(emulators.start())
    client = assert(core.client {
      base_url = emulator.url,
      connect_timeout = 5,
      max_response_bytes = LIST_LIMIT,
    })
    client:authorize(TOKEN)
  end)

  after_each(function()
    client:close()
    emulator:stop()
    client, emulator = nil, nil
  end)

  describe("to list", function()
    it("may be empty in four ways", function()
      for _, body in ipairs { "{}", '{"secrets":null}', '{"secrets":[]}',
        '{"secrets":[],"nextPage":""}' } do
        local records, sends = list(body)
        assert.same({}, records)
        assert.is_nil(getmetatable(records))
        assert.equal(1, sends)
      end
    end)

    it("is a failure when it says so itself, although the status is 200", function()
      local cases = {
        ['{"ok":false}'] = {},
        ['{"ok":false,"secrets":[]}'] = {},
        ['{"error":{"code":"7","message":"permission denied"}}'] =
          { code = 7, description = "permission denied" },
        ['{"code":16,"message":"token expired","details":[]}'] =
          { code = 16, description = "token expired" },
      }
      for body, details in pairs(cases) do
        local records, facts = list(body)
        assert.is_nil(records)
        assert.equal("refused", facts.reason)
        assert.equal(details.code, facts.code)
        assert.equal(details.description, facts.description)
      end
      assert.same({}, (list '{"ok":true,"error":null,"secrets":[]}'))
    end)

    it("A6: of something else that answers with JSON is told from an empty list", function()
      for _, body in ipairs { '{"status":"UP"}', '{"ok":true}', '{"nextPage":""}', '{"a":null}',
        '{"Secrets":[]}', '{"error":null}', '{"items":[],"count":0}' } do
        assert_form('the answer has no "secrets"', list(body))
      end
    end)

    it("gives the records as they came, unknown fields and all", function()
      local records = list([[{"secrets":[
        {"id":"a","secretType":"s3","params":{"x":{"y":[1,"2",true]}},"tags":["b"],"n":1.5},
        {"secretType":"gcp"}, {}]}]])
      assert.same({
        { id = "a", secretType = "s3", params = { x = { y = { 1, "2", true } } }, tags = { "b" },
          n = 1.5 },
        { secretType = "gcp" },
        {},
      }, records)
    end)

    it("has no null fields in its records, but keeps null inside params", function()
      local records = list([[{"secrets":[{"id":"a","name":null,"expiresAt":null,
        "params":{"x":null,"y":[null]}},{"id":null}]}]])
      assert.same({ { id = "a", params = { x = core.null, y = { core.null } } }, {} }, records)
    end)

    it("marks empty arrays in its records, and keeps large integers", function()
      local record = list([[{"secrets":[{"id":"a","params":
        {"a":[],"big":12345678901234567,"pi":3.141592653589793}}]}]])[1]
      assert.equal(core.array_mt, getmetatable(record.params.a))
      assert.equal(3.141592653589793, record.params.pi)
      if math.type then
        assert.equal("12345678901234567", ("%d"):format(record.params.big))
        assert.is_nil(core.inexact[record])
      else
        assert.is_true(core.inexact[record])
      end
    end)

    it("tells the records whose integers Lua cannot hold from those it can", function()
      local records = list([[{"secrets":[
        {"id":"a","params":{"n":100000000000000000001}},
        {"id":"b","params":{"n":[{"m":-123456789012345678901234567890}]}},
        {"id":"c","params":{"n":100000000000000000000}},
        {"id":"d","params":{"n":18446744073709551616,"m":-9007199254740992}},
        {"id":"e","params":{"n":0.12345678901234567890123}},
        {"id":"f","params":{"n":"100000000000000000001"}}]}]])
      local inexact = {}
      for _, record in ipairs(records) do
        inexact[#inexact + 1] = core.inexact[record] and record.id
      end
      assert.same({ "a", "b" }, inexact)
      assert.equal(1e20, records[3].params.n)
    end)

    it("never hands on a secretKey, however its name is spelt", function()
      local records = list([[{"secrets":[{"id":"a","secretKey":"leaked"},
        {"id":"b","secret\u004bey":"leaked"},
        {"\u0073\u0065\u0063\u0072\u0065\u0074\u004B\u0065\u0079":{"k":"leaked"},"id":"c"},
        {"id":"d","params":{"secretKey":"not ours"}}]}]])
      assert.same({ { id = "a" }, { id = "b" }, { id = "c" },
        { id = "d", params = { secretKey = "not ours" } } }, records)
    end)

    it("of 10,000 records is read whole", function()
      client:close()
      client = assert(core.client {
        base_url = emulator.url, connect_timeout = 5, max_response_bytes = 32 * 1024 * 1024,
      })
      client:authorize(TOKEN)
      local written = {}
      for position = 1, 10000 do
        written[position] = ('{"id":"id-%d","secretType":"s3","params":{"n":%d,"list":[]}}')
          :format(position, position)
      end
      local records = assert(list('{"secrets":[' .. table.concat(written, ",") .. "]}"))
      assert.equal(10000, #records)
      for _, position in ipairs { 1, 2, 5000, 9999, 10000 } do
        assert.same({ id = "id-" .. position, secretType = "s3",
          params = { n = position, list = {} } }, records[position])
        assert.equal(core.array_mt, getmetatable(records[position].params.list))
      end
    end)

    it("of the wrong form is told from an empty list", function()
      local not_array = '"secrets" is not an array'
      local not_object = '"secrets" holds what is not an object'
      local cases = {
        ['{"secrets":{}}'] = not_array,
        ['{"secrets":{"1":{}}}'] = not_array,
        ['{"secrets":"none"}'] = not_array,
        ['{"secrets":false}'] = not_array,
        ['{"secrets":5}'] = not_array,
        ['{"secrets":12345678901234567}'] = not_array,
        ['{"secrets":[5]}'] = not_object,
        ['{"secrets":[12345678901234567]}'] = not_object,
        ['{"secrets":[null]}'] = not_object,
        ['{"secrets":["a"]}'] = not_object,
        ['{"secrets":[[]]}'] = not_object,
        ['{"secrets":[["a"]]}'] = not_object,
        ['{"secrets":[{"id":"a"},true]}'] = not_object,
      }
      for body, detail in pairs(cases) do
        assert_form(detail, list(body))
      end
    end)
  end)

  describe("to put and delete", function()
    it("is a success only when ok is true", function()
      for _, operation in ipairs { put, delete } do
        assert.same({ ok = true }, operation('{"ok":true}'))
        assert.same({ ok = true, requestId = "r-1", message = "done" },
          operation('{"ok":true,"requestId":"r-1","message":"done","more":[]}'))
        assert.same({ ok = true },
          operation('{"ok":true,"requestId":"","message":null,"error":{"code":404}}', 201))
        for _, body in ipairs { "{}", '{"ok":false}', '{"ok":null}', '{"ok":1}', '{"ok":"true"}',
          '{"ok":[]}' }
        do
          assert_facts({ reason = "refused", status = 200 }, operation(body))
        end
      end
    end)

    it("tells why it is none", function()
      assert_facts({
        reason = "refused", status = 200, code = 404, description = "long", requestId = "r-1",
        words = "envelope",
      }, delete([[{"ok":false,"requestId":"r-1","message":"short",
        "error":{"code":404,"message":"middle","description":"long"}}]]))
      assert_facts({ reason = "refused", status = 200, code = 7, description = "middle",
        words = "envelope" },
        put('{"message":"short","error":{"code":"7","message":"middle","description":""}}'))
      assert_facts({ reason = "refused", status = 200, code = 3, description = "short" },
        put('{"message":"short","error":{"code":3.0}}'))
    end)

    it("with texts that are none, or codes that are none, tells nothing of them", function()
      for _, code in ipairs { '"x"', "1.5", "null", "{}", "[]", "1e300", "12345678901234567890" } do
        assert_facts({ reason = "refused", status = 200 },
          put('{"ok":false,"error":{"code":' .. code .. "}}"))
      end
      for _, text in ipairs { "5", "null", "{}", "[]", "1.5", "12345678901234567890" } do
        assert.same({ ok = true },
          put(('{"ok":true,"requestId":%s,"message":%s}'):format(text, text)))
        assert_facts({ reason = "status", status = 500 },
          put(('{"requestId":%s,"message":%s}'):format(text, text), 500))
      end
    end)
  end)

  describe("to authenticate", function()
    it("holds the life of the token as a string or a number, or not at all", function()
      local cases = {
        ['"3600"'] = 3600, ["3600"] = 3600, ["0"] = 0, ['"12"'] = 12, ["7.0"] = 7, ["null"] = 3600,
        ["99999999999999999999"] = 1000000000,
      }
      for written, seconds in pairs(cases) do
        local given = authenticate('{"token":"t","expiresIn":' .. written .. ',"scope":null}')
        assert.same({ expiresIn = seconds }, given)
      end
      assert.same({ expiresIn = 3600 }, (authenticate('{"token":"t"}')))
      local given, sends = authenticate('{"scope":"secrets:read \\u00e9","token":"t"}')
      assert.same({ expiresIn = 3600, scope = "secrets:read é" }, given)
      assert.equal(1, sends)
    end)

    it("without a token that can be used changes nothing", function()
      local cases = {
        '{"token":null}', '{"token":5}', '{"token":""}', '{"token":{}}',
        '{"token":"a\\r\\nX-Injected: 1"}', '{"token":"\\u00fc"}',
        '{"token":"' .. ("x"):rep(8193) .. '"}', '{"token":"t","expiresIn":-1}',
        '{"token":"t","expiresIn":"soon"}', '{"token":"t","expiresIn":1.5}',
        '{"token":"t","expiresIn":""}', '{"token":"t","expiresIn":[]}', '{"token":"t","scope":5}',
      }
      for _, body in ipairs(cases) do
        assert_form("the answer holds no usable token", authenticate(body))
      end
      for _, body in ipairs { "{}", '{"Token":"t"}', '{"a":{"token":"t"}}' } do
        assert_form("the answer holds no token", authenticate(body))
      end
      for _, body in ipairs { "[1]", "null", '"t"' } do
        assert_form("the answer is not a JSON object", authenticate(body))
      end
      local _, facts = authenticate('{"ok":false,"error":{"code":401,"message":"bad key"}}')
      assert.equal("refused", facts.reason)
      assert.equal(401, facts.code)
      client:list(nil, 5)
      local requests = emulator:requests()
      assert.equal(TOKEN, requests[#requests].headers.authorization)
    end)

    it("never has the token in an error", function()
      local _, facts = authenticate('{"token":"tell-nobody","expiresIn":-1}')
      assert.is_nil(core.encode(facts):find("tell-nobody", 1, true))
      _, facts = authenticate('{"token":"tell-nobody"', 200)
      assert.is_nil(core.encode(facts):find("tell-nobody", 1, true))
    end)
  end)

  describe("of any operation", function()
    it("under a status of failure tells what the server said", function()
      local bodies = {
        { [[{"ok":false,"requestId":"r-1","message":"short",
          "error":{"code":5,"message":"middle","description":"long"}}]],
          { code = 5, description = "long", requestId = "r-1", words = "envelope" } },
        { '{"code":5,"message":"not there","details":[]}',
          { code = 5, description = "not there", words = "grpc" } },
        { '{"error":"text","message":"other"}', { description = "other" } },
        { "<html><body>Bad Gateway</body></html>", {} },
        { "upstream connect error", {} },
        { "", {} },
        { "[]", {} },
        { '["a"]', {} },
        { "null", {} },
        { '{"message":"cut', {} },
        { '{"message":"\255"}', {} },
      }
      for _, operation in pairs(OPERATIONS) do
        for _, status in ipairs { 400, 404, 500 } do
          for _, case in ipairs(bodies) do
            local expected = { reason = "status", status = status }
            for name, value in pairs(case[2]) do
              expected[name] = value
            end
            assert_facts(expected, operation(case[1], status))
          end
        end
      end
    end)

    it("A1: under a status of failure tells the service's words from a gateway's", function()
      local bodies = {
        ['{"ok":false,"error":{"code":404}}'] = "envelope",
        ['{"ok":null,"requestId":"","error":{"code":"5","more":1}}'] = "envelope",
        ['{"error":{"code":404,"message":"m","description":""}}'] = "envelope",
        ['{"code":16,"message":"m"}'] = "grpc",
        ['{"code":"5","message":"m","details":[{"@type":"x"}]}'] = "grpc",
        ['{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}'] = false,
        ['{"ok":true,"requestId":"r","error":{"code":404,"description":"d"}}'] = false,
        ['{"ok":"false","requestId":"r","error":{"code":404,"description":"d"}}'] = false,
        ['{"ok":false,"requestId":"r","error":"not found"}'] = false,
        ['{"ok":false,"requestId":"r","error":{"message":"m","description":"d"}}'] = false,
        ['{"ok":false,"requestId":5,"error":{"code":{}}}'] = false,
        ['{"code":5,"message":"Not Found","details":[]}'] = false,
        ['{"code":5,"message":"","details":[]}'] = false,
        ['{"code":5,"details":[]}'] = false,
        ['{"code":5,"message":"m","details":null}'] = false,
        ['{"code":5,"message":"m","error":"m"}'] = false,
        ['{"code":0,"message":"m","details":[]}'] = false,
        ['{"code":17,"message":"m","details":[]}'] = false,
        ['{"code":404,"message":"m"}'] = false,
        ['{"message":"m"}'] = false,
        ["{}"] = false,
      }
      for body, words in pairs(bodies) do
        for _, operation in pairs(OPERATIONS) do
          local _, facts = operation(body, 404)
          assert.equal(words or nil, facts.words, body)
        end
      end
    end)

    it("that succeeds has to be a JSON object", function()
      for _, name in ipairs { "list", "put", "delete" } do
        local operation = OPERATIONS[name]
        for _, body in ipairs { "[]", "[{}]", "null", "true", '"{}"', "12345678901234567" } do
          assert_form("the answer is not a JSON object", operation(body))
        end
      end
      for _, operation in pairs(OPERATIONS) do
        for _, body in ipairs { "", "<html>", "{} x", '{"a":NaN}', '{"ok":true', "\239\187\191{}",
          '{"ok":true,"a":"\255"}', '{"ok":true,"a":1e999}' }
        do
          assert_form("the answer is not JSON", operation(body))
        end
      end
    end)

    it("without a body is complete when its status says that there is none", function()
      for _, operation in pairs(OPERATIONS) do
        local value, facts = operation("", 204)
        assert_facts({ reason = "form", status = 204, detail = "the answer is not JSON" },
          value, facts)
      end
    end)

    it("that is nested too deeply is refused", function()
      local deep = '{"ok":true,"a":' .. ("["):rep(33) .. ("]"):rep(33) .. "}"
      for _, name in ipairs { "list", "put", "delete" } do
        assert_form("the answer is nested too deeply", OPERATIONS[name](deep))
      end
    end)

    it("carries Retry-After where the server sent one", function()
      for _, operation in pairs(OPERATIONS) do
        assert_facts({ reason = "status", status = 503, retry_after = 7 },
          operation("", 503, { ["Retry-After"] = "7" }))
        assert_facts({ reason = "status", status = 503 },
          operation("", 503, { ["Retry-After"] = "-5" }))
      end
    end)

    it("may not be larger than its limit", function()
      local function body_of(bytes)
        return '{"ok":true,"secrets":[],"token":"t","x":"' .. ("x"):rep(bytes - 43) .. '"}'
      end
      for name, operation in pairs(OPERATIONS) do
        local limit = name == "list" and LIST_LIMIT or OTHER_LIMIT
        assert.is_truthy((operation(body_of(limit))))
        local value, facts = operation(body_of(limit + 1))
        assert_facts({ reason = "limit", status = 200, detail = facts.detail }, value, facts)
        assert.equal("the answer is larger than allowed", facts.detail)
        assert_facts({ reason = "status", status = 500 }, operation(body_of(limit + 1), 500))
        assert.is_truthy((operation(body_of(100))))
      end
    end)

    it("that is compressed is refused, for nobody asked for that", function()
      for _, operation in pairs(OPERATIONS) do
        local body = '{"ok":true,"secrets":[],"token":"t"}'
        for _, coding in ipairs { "gzip", "br", "identity, gzip" } do
          assert_facts({ reason = "encoded", status = 200, detail = "the answer is compressed" },
            operation(body, 200, { ["Content-Encoding"] = coding }))
        end
        assert.is_truthy((operation(body, 200, { ["content-encoding"] = " Identity " })))
        assert_facts({ reason = "status", status = 502 },
          operation("\31\139", 502, { ["Content-Encoding"] = "gzip" }))
      end
    end)

    it("does not get credentials into an error or a receipt", function()
      local function text(ok, credential)
        return ('{"ok":%s,"requestId":"%s","message":"for %s, half %s"}')
          :format(ok, credential, credential, credential:sub(5, 14))
      end
      local hidden = ("*"):rep(#TOKEN)
      local _, facts = list(text("false", TOKEN), 403)
      assert.equal(hidden, facts.requestId)
      assert.equal("for " .. hidden .. ", half **********", facts.description)
      hidden = ("*"):rep(#KEY)
      _, facts = put(text("false", KEY))
      assert.equal("for " .. hidden .. ", half **********", facts.description)
      local receipt = put(text("true", KEY))
      assert.same({ ok = true, requestId = hidden, message = "for " .. hidden
        .. ", half **********" }, receipt)
      _, facts = authenticate('{"requestId":"' .. KEY:gsub("/", "\\/") .. '"}', 401)
      assert.equal(hidden, facts.requestId)
      _, facts = put('{"message":"' .. ("x"):rep(2040) .. KEY .. '"}', 500)
      assert.equal(2048, #facts.description)
      assert.equal(("x"):rep(2040) .. "********", facts.description)
    end)
  end)
end)
