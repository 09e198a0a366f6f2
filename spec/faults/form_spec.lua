-- Whole answers with status 200 that are not what they should be: rows 61 to 63 of the fault
-- matrix. They are final, and what a write did is not known.

local faults = require "faults"
local raw_server = require "raw_server"

local request = raw_server.request

local BODIES = {
  { "HTML", "<html><title>Sign in</title></html>" },
  { "nothing", "" },
  { "white space", " \r\n " },
  { "a byte order mark", '\239\187\191{"ok":true,"secrets":[]}' },
  { "NaN", '{"ok":true,"secrets":[{"id":"a","params":{"x":NaN}}]}' },
  { "a number beyond all bounds", '{"ok":true,"secrets":[{"id":"a","params":{"x":1e999}}]}' },
  { "a hexadecimal number", '{"ok":true,"secrets":[{"id":"a","params":{"x":0x10}}]}' },
  { "a depth bomb", ("["):rep(100000) },
  { "a closed depth bomb", '{"ok":true,"secrets":' .. ("["):rep(40) .. ("]"):rep(40) .. "}" },
  { "null", "null" },
  { "true", "true" },
  { "a number", "42" },
  { "a text", '"fine"' },
  { "an array", '[{"ok":true}]' },
  { "half an object", '{"ok":true,"secrets":[' },
  { "something after the object", '{"ok":true,"secrets":[]} x' },
  { "two objects", '{"ok":true}{"ok":true}' },
  { "a comma too many", '{"ok":true,"secrets":[],}' },
  { "a zero byte", '{"ok":true,\0"secrets":[]}' },
}

local function row_of(body, kind)
  return {
    script = { request, raw_server.answer(200, body) },
    kind = kind or "protocol", attempts = 1, ambiguous = true,
  }
end

describe("61: An answer of", function()
  after_each(faults.clean_up)

  for _, body in ipairs(BODIES) do
    for _, op in ipairs(faults.OPS) do
      it(("%s is final (%s)"):format(body[1], op), function()
        faults.check(row_of(body[2]), op)
      end)
    end
  end

  for _, secrets in ipairs { "5", "true", '"none"', '{"id":"a"}', "[5]", '["a"]', "[[]]" } do
    it(('"secrets":%s is final (list)'):format(secrets), function()
      faults.check(row_of(('{"secrets":%s}'):format(secrets)), "list")
    end)
  end

  for _, ok in ipairs { "1", '"true"', "[true]", "null", "false" } do
    for _, op in ipairs { "put", "delete" } do
      it(('"ok":%s is a refusal (%s)'):format(ok, op), function()
        local row = row_of(('{"ok":%s}'):format(ok), "rejected")
        row.ambiguous = false
        faults.check(row, op)
      end)
    end
  end
end)

describe("62: A secret key that comes back", function()
  after_each(faults.clean_up)

  it("within a record or beside it is dropped (list)", function()
    local server = faults.server { {
      request,
      raw_server.answer(200, ('{"secretKey":"%s","secrets":[{"id":"a","secretType":"s3",'
        .. '"secret\\u004bey":"%s"}]}'):format(faults.KEY, faults.KEY)),
    } }
    local list = assert(faults.call("list", faults.client(server.url, "list")))
    assert.are.same({ { id = "a", secretType = "s3" } }, list)
    faults.assert_clean(list)
  end)

  it("is not in the receipt (put)", function()
    local server = faults.server { {
      request,
      raw_server.answer(200, ('{"ok":true,"secretKey":"%s","message":"stored %s","requestId":"%s",'
        .. '"secret":{"secretKey":"%s"}}'):format(faults.KEY, faults.KEY, faults.KEY, faults.KEY)),
    } }
    local receipt = assert(faults.call("put", faults.client(server.url, "put")))
    assert.is_true(receipt.ok)
    faults.assert_clean(receipt)
  end)

  it("is not in the error (put)", function()
    local server = faults.server { {
      request,
      raw_server.answer(400, ('{"error":{"message":"%s","description":"no: %s"},"requestId":"%s"}')
        :format(faults.KEY, faults.KEY, faults.KEY)),
    } }
    local _, err = faults.call("put", faults.client(server.url, "put"))
    assert.are.equal("rejected", err.kind)
    faults.assert_clean(err)
  end)
end)

local TOKENS = {
  { "without a token", "{}" },
  { "with a token that is null", '{"token":null,"expiresIn":"60"}' },
  { "with a token that is a number", '{"token":5,"expiresIn":"60"}' },
  { "with an empty token", '{"token":"","expiresIn":"60"}' },
  { "with a line break in the token", '{"token":"mark3d\\r\\nX-Injected: 1","expiresIn":"60"}' },
  { "with a zero byte in the token", '{"token":"mark3d\\u0000","expiresIn":"60"}' },
  { "with a token beyond ASCII", '{"token":"mark3d\195\169","expiresIn":"60"}' },
  { "with a token of 9,000 bytes", ('{"token":"%s"}'):format(("mark3d"):rep(1500)) },
  { "with a token of 1 MB", ('{"token":"%s"}'):format(("mark3d"):rep(180000)) },
}

describe("63: A token exchange", function()
  after_each(faults.clean_up)

  for _, token in ipairs(TOKENS) do
    it(token[1] .. " is final, and nothing is kept of it", function()
      faults.check(row_of(token[2]), "authenticate")
    end)
  end

  it("that fails leaves the call unsent, and the next call exchanges anew", function()
    local server = faults.server {
      { request, raw_server.answer(200, '{"token":"a\\r\\nX: 1"}'), request, faults.HONEST, request,
        faults.HONEST },
    }
    local client = faults.client(server.url, "authenticate")
    local value, err = faults.call("put", client)
    assert.is_nil(value)
    assert.are.equal("protocol", err.kind)
    assert.is_false(err.ambiguous)
    assert.are.equal(1, server:sends())
    assert.is_truthy(faults.call("put", client))
    local requests = server:requests()[1]
    assert.is_truthy(requests[2]:find("^POST /v1/auth/access_token "))
    assert.is_truthy(requests[3]:find("\r\nAuthorization: mark3d-granted-e7\r\n", 1, true))
  end)
end)
