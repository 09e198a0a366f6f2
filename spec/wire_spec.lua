local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"

local TOKEN = "token-1"
local CONTROL = "holds a control character"
local NOT_UTF8 = "is not UTF-8"

local emulator, clients, servers

local function new_client(changes)
  local options = {
    base_url = emulator.url,
    user_agent = "spec/1",
    connect_timeout = 5,
    max_response_bytes = 100000,
  }
  for name, value in pairs(changes or {}) do
    options[name] = value
  end
  local client = assert(core.client(options))
  clients[#clients + 1] = client
  assert(client:authorize(TOKEN))
  return client
end

--- The only request that reached the emulator.
local function sent()
  local requests = emulator:requests()
  assert.equal(1, #requests)
  return requests[1]
end

--- The headers that every request has, and some more.
local function headers_with(more)
  local headers = {
    host = emulator.url:match("//(.*)$"),
    ["user-agent"] = "spec/1",
    accept = "application/json",
  }
  for name, value in pairs(more) do
    headers[name] = value
  end
  return headers
end

--- What put sends as its body.
local function body_of(record, key)
  new_client():put(record, key or "k", 5)
  local requests = emulator:requests()
  return requests[#requests].body
end

local function assert_invalid(field, detail, value, facts)
  assert.is_nil(value)
  assert.same({ reason = "invalid", field = field, detail = detail, sends = 0 }, facts)
end

describe("on the wire", function()
  before_each(function()
    emulator = assert(emulators.start())
    clients, servers = {}, {}
  end)

  after_each(function()
    for _, client in ipairs(clients) do
      client:close()
    end
    for _, server in ipairs(servers) do
      server:stop()
    end
    emulator:stop()
    emulator, clients, servers = nil, nil, nil
  end)

  describe("list", function()
    it("is a GET of all secrets", function()
      new_client():list(nil, 5)
      local request = sent()
      assert.equal("GET", request.method)
      assert.equal("/v1/auth/secrets", request.path)
      assert.is_nil(request.query)
      assert.same(headers_with { authorization = TOKEN }, request.headers)
      assert.equal("", request.body)
    end)

    it("with a filter asks for one type, percent-encoded", function()
      new_client():list("a b&c=d+e/ü", 5)
      local request = sent()
      assert.equal("/v1/auth/secrets", request.path)
      assert.equal("secretType=a%20b%26c%3Dd%2Be%2F%C3%BC", request.query)
    end)
  end)

  describe("put", function()
    it("is a POST of the record and its key", function()
      new_client():put({ id = "a", secretType = "s3" }, "k", 5)
      local request = sent()
      local body = '{"secret":{"id":"a","secretType":"s3"},"secretKey":"k"}'
      assert.equal("POST", request.method)
      assert.equal("/v1/auth/secrets", request.path)
      assert.is_nil(request.query)
      assert.equal(body, request.body)
      assert.same(headers_with {
        authorization = TOKEN,
        ["content-type"] = "application/json",
        ["content-length"] = tostring(#body),
      }, request.headers)
    end)

    it("writes the fields in the contract's order, then unknown ones", function()
      local body = body_of {
        name = "My key",
        params = { region = "eu" },
        accessKey = "AKIA",
        expiresAt = "2030-01-01T00:00:00Z",
        secretType = "s3",
        id = "a",
        tags = { "b", "c" },
      }
      assert.equal('{"secret":{"id":"a","secretType":"s3","expiresAt":"2030-01-01T00:00:00Z",'
        .. '"accessKey":"AKIA","params":{"region":"eu"},"name":"My key","tags":["b","c"]},'
        .. '"secretKey":"k"}', body)
    end)

    it("sends null where the record says so, and nothing where it says nothing", function()
      local body = body_of { id = "a", secretType = "s3", name = core.null }
      assert.equal('{"secret":{"id":"a","secretType":"s3","name":null},"secretKey":"k"}', body)
    end)

    it("sends the same bytes from a string and from a SecretString", function()
      local key = 'q"b\\n\n\0\1\127ü'
      local written = '"secretKey":"q\\"b\\\\n\\n\\u0000\\u0001\127ü"}'
      local from_string = body_of({ id = "a", secretType = "s3" }, key)
      local from_secret = body_of({ id = "a", secretType = "s3" }, core.secret_from_string(key))
      assert.equal(from_string, from_secret)
      assert.equal(written, from_string:sub(-#written))
    end)

    it("takes a key of 1 byte up to 64 KiB, and refuses all others", function()
      local client = new_client()
      local record = { id = "a", secretType = "s3" }
      client:put(record, ("x"):rep(65536), 5)
      assert.matches('"secretKey":"' .. ("x"):rep(65536) .. '"}', sent().body, 1, true)
      local wiped = core.secret_from_string("k")
      wiped:wipe()
      assert_invalid("secretKey", "is empty", client:put(record, "", 5))
      assert_invalid("secretKey", "is longer than 64 KiB", client:put(record, ("x"):rep(65537), 5))
      assert_invalid("secretKey", NOT_UTF8, client:put(record, "a\255", 5))
      assert_invalid("secretKey", "was wiped", client:put(record, wiped, 5))
      assert.equal(1, #emulator:requests())
    end)

    it("refuses field names that cannot be sent, and does not mistake them", function()
      local client = new_client()
      for _, name in ipairs { "id\0x", "na\255me" } do
        local record = { id = "a", secretType = "s3", [name] = "b" }
        assert_invalid("secret", "has a field whose name is not UTF-8 or holds a NUL",
          client:put(record, "k", 5))
      end
      assert.same({}, emulator:requests())
    end)
  end)

  describe("delete", function()
    it("is a DELETE of type and id", function()
      new_client():delete("s3", "my-key", 5)
      local request = sent()
      assert.equal("DELETE", request.method)
      assert.equal("/v1/auth/secrets/s3/my-key", request.path)
      assert.is_nil(request.query)
      assert.same(headers_with { authorization = TOKEN }, request.headers)
      assert.equal("", request.body)
    end)

    it("encodes everything but letters, digits and -._~", function()
      local cases = {
        ["a/b?c#d%e f"] = "a%2Fb%3Fc%23d%25e%20f",
        ["ü"] = "%C3%BC",
        ["-._~aZ09"] = "-._~aZ09",
        ["..."] = "...",
        ["a.."] = "a..",
        ["%2e%2e"] = "%252e%252e",
        ["\\:@&=+$,;!'()*[]\""] = "%5C%3A%40%26%3D%2B%24%2C%3B%21%27%28%29%2A%5B%5D%22",
        ["\240\159\148\145"] = "%F0%9F%94%91",
        [("x"):rep(1024)] = ("x"):rep(1024),
        [("ü"):rep(512)] = ("%C3%BC"):rep(512),
      }
      local client = new_client()
      for id, encoded in pairs(cases) do
        client:delete(id, id, 5)
        local requests = emulator:requests()
        local path = "/v1/auth/secrets/" .. encoded .. "/" .. encoded
        assert.equal(path, requests[#requests].path)
        assert.is_nil(requests[#requests].query)
      end
    end)
  end)

  it("no operation sends an id or type that cannot be one", function()
    local client = new_client()
    local cases = {
      [""] = "is empty",
      ["."] = "is . or ..",
      [".."] = "is . or ..",
      ["a\0"] = CONTROL,
      ["a\nb"] = CONTROL,
      ["\31"] = CONTROL,
      ["a\127"] = CONTROL,
      ["\255"] = NOT_UTF8,
      ["a\195"] = NOT_UTF8,
      ["\192\174"] = NOT_UTF8, -- an overlong "."
      [("x"):rep(1025)] = "is longer than 1,024 bytes",
    }
    for text, detail in pairs(cases) do
      assert_invalid("secretType", detail, client:list(text, 5))
      assert_invalid("secretType", detail, client:delete(text, "a", 5))
      assert_invalid("id", detail, client:delete("s3", text, 5))
      assert_invalid("secretType", detail, client:put({ id = "a", secretType = text }, "k", 5))
      assert_invalid("id", detail, client:put({ id = text, secretType = "s3" }, "k", 5))
      assert.is_nil((core.check_segment(text)))
      assert.equal(detail, (select(2, core.check_segment(text))))
    end
    assert.same({}, emulator:requests())
  end)

  describe("authenticate", function()
    it("is a POST of the API key, without the token of before", function()
      new_client():authenticate('key"\\', 5)
      local request = sent()
      assert.equal("POST", request.method)
      assert.equal("/v1/auth/access_token", request.path)
      assert.is_nil(request.query)
      assert.equal('{"apiKey":"key\\"\\\\"}', request.body)
      assert.same(headers_with {
        ["content-type"] = "application/json",
        ["content-length"] = "20",
      }, request.headers)
    end)

    it("takes one newline off the key's end when it is told to", function()
      local client = new_client()
      for _, key in ipairs { "key\n", "key\r\n", "key" } do
        client:authenticate(key, 5, true)
        client:authenticate(core.secret_from_string(key), 5, true)
      end
      assert.equal(6, #emulator:requests())
      for _, request in ipairs(emulator:requests()) do
        assert.equal('{"apiKey":"key"}', request.body)
      end
      assert_invalid("api_key", "holds a character that cannot stand in a header",
        client:authenticate("key\n\n", 5, true))
      assert_invalid("api_key", "holds a character that cannot stand in a header",
        client:authenticate("key\n", 5))
      assert_invalid("api_key", "is empty", client:authenticate("\n", 5, true))
      assert.equal(6, #emulator:requests())
    end)

    it("puts the token that it was given into the requests that follow", function()
      emulator:fail { op = "authenticate", body = '{"token":"a new \\u0074oken"}' }
      local client = new_client()
      assert.same({ expiresIn = 3600 }, (client:authenticate("key", 5)))
      client:list(nil, 5)
      assert.equal("a new token", emulator:requests()[2].headers.authorization)
    end)
  end)

  describe("authorize", function()
    it("refuses what cannot stand in a header, and keeps the token of before", function()
      local client = new_client()
      for _, token in ipairs { "a\r\nX-Injected: 1", "a\0", "\127", "ü", "a\n" } do
        assert_invalid("access_token", "holds a character that cannot stand in a header",
          client:authorize(token))
      end
      assert_invalid("access_token", "is empty", client:authorize(""))
      assert_invalid("access_token", "is longer than 8 KiB", client:authorize(("x"):rep(8193)))
      client:list(nil, 5)
      assert.equal(TOKEN, sent().headers.authorization)
    end)

    it("replaces the token, by a long one as well", function()
      local client = new_client()
      assert.is_true(client:authorize(core.secret_from_string(("x"):rep(8192))))
      client:list(nil, 5)
      assert.equal(("x"):rep(8192), sent().headers.authorization)
    end)
  end)

  it("a base URL may have a path, with or without a slash at its end", function()
    for _, path in ipairs { "/gateway/v2", "/gateway/v2/", "/gateway/v2//" } do
      local client = new_client { base_url = emulator.url .. path }
      client:list("s3", 5)
      client:delete("s3", "a", 5)
      client:put({ id = "a", secretType = "s3" }, "k", 5)
      client:authenticate("key", 5)
    end
    local expected = {
      "GET /gateway/v2/v1/auth/secrets",
      "DELETE /gateway/v2/v1/auth/secrets/s3/a",
      "POST /gateway/v2/v1/auth/secrets",
      "POST /gateway/v2/v1/auth/access_token",
    }
    for position, request in ipairs(emulator:requests()) do
      assert.equal(expected[(position - 1) % 4 + 1], request.method .. " " .. request.path)
    end
    assert.equal(12, #emulator:requests())
  end)

  it("auth_scheme stands before the token", function()
    local client = new_client { auth_scheme = "Bearer" }
    client:list(nil, 5)
    assert.equal("Bearer " .. TOKEN, sent().headers.authorization)
  end)

  it("the User-Agent tells the module and the application", function()
    local options = {
      api_key = emulator.api_key,
      base_url = emulator.url,
      ignore_env = true,
      app = { name = "my-app", version = "2.1" },
    }
    local ours = "bytenite-secrets/" .. secrets._VERSION:match("[%d.]+$")
    for _, expected in ipairs { ours .. " my-app/2.1", ours .. " my-app", ours } do
      local client = assert(secrets.new(options))
      assert(client:list())
      client:close()
      local requests = emulator:requests()
      assert.equal(expected, requests[#requests].headers["user-agent"])
      options.app = options.app and options.app.version and { name = "my-app" } or nil
    end
  end)

  it("connections are kept within a client and never shared with another", function()
    local script = {}
    for _ = 1, 8 do
      script[#script + 1] = raw_server.request
      script[#script + 1] = raw_server.answer(200, '{"ok":true,"secrets":[],"token":"t"}')
    end
    local server = raw_server.start { script }
    servers[1] = server
    local first = new_client { base_url = server.url }
    local second = new_client { base_url = server.url }
    assert(first:authenticate("key", 5))
    assert(first:put({ id = "a", secretType = "s3" }, "k", 5))
    assert(second:list(nil, 5))
    assert(first:list(nil, 5))
    assert(first:delete("s3", "a", 5))
    assert(second:delete("s3", "a", 5))
    assert(first:list(nil, 5))
    local methods = {}
    for position, requests in ipairs(server:requests()) do
      methods[position] = {}
      for number, request in ipairs(requests) do
        methods[position][number] = request:match("^(%u+) [^ ]+ HTTP/1.1\r\n")
      end
    end
    assert.same({ { "POST", "POST", "GET", "DELETE", "GET" }, { "GET", "DELETE" } }, methods)
  end)
end)
