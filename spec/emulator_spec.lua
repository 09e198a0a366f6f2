local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local process = require "process"
local socket = require "socket"

local RECORD = { id = "my-key", secretType = "s3", accessKey = "AKIA", name = "My key" }

local running, sockets

local function start(options)
  local emulator = assert(emulators.start(options))
  running[#running + 1] = emulator
  return emulator
end

local function connect(emulator)
  local connection = assert(socket.connect("127.0.0.1", tonumber(emulator.url:match("%d+$"))))
  connection:settimeout(10)
  sockets[#sockets + 1] = connection
  return connection
end

--- Sends a request on a connection of its own and does not wait for the answer.
local function send(emulator, method, path, headers, body)
  local lines = { ("%s %s HTTP/1.1"):format(method, path), "Host: emulator" }
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if body then lines[#lines + 1] = "Content-Length: " .. #body end
  local connection = connect(emulator)
  connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
  return connection
end

local function receive_head(connection)
  local line, reason = connection:receive("*l")
  if not line then return nil, reason end
  local headers = {}
  for header in function() return assert(connection:receive("*l")) end do
    if header == "" then break end
    local name, value = header:match("^([^:]+):%s*(.*)$")
    headers[name:lower()] = value
  end
  return { status = tonumber(line:match("^HTTP/1.1 (%d+)")), headers = headers }
end

--- The answer, whose body is cut short when the connection was; nil when there is no answer.
local function receive(connection)
  local answer, reason = receive_head(connection)
  if not answer then return nil, reason end
  local length = tonumber(answer.headers["content-length"])
  local body, _, part = "", nil, nil
  if length > 0 then body, _, part = connection:receive(length) end -- it would wait for 0 bytes
  answer.body = body or part
  answer.complete = body ~= nil
  answer.json = body and core.decode(body)
  return answer
end

local function talk(...)
  return receive(send(...))
end

local function exchange(emulator, api_key)
  local body = assert(core.encode { apiKey = api_key or emulator.api_key })
  local headers = { ["Content-Type"] = "application/json" }
  return talk(emulator, "POST", "/v1/auth/access_token", headers, body)
end

local function token_of(emulator)
  return exchange(emulator).json.token
end

local function get(emulator, token, query)
  return talk(emulator, "GET", "/v1/auth/secrets" .. (query or ""), { Authorization = token })
end

local function post(emulator, token, body)
  local headers = { Authorization = token, ["Content-Type"] = "application/json" }
  return talk(emulator, "POST", "/v1/auth/secrets", headers, body)
end

local function put(emulator, token, secret, secret_key)
  local body = assert(core.encode { secret = secret, secretKey = secret_key or "k" })
  return post(emulator, token, body)
end

local function delete(emulator, token, path)
  return talk(emulator, "DELETE", "/v1/auth/secrets/" .. path, { Authorization = token })
end

local function ids(list)
  local found = {}
  for position, secret in ipairs(list) do
    found[position] = secret.id
  end
  return table.concat(found, " ")
end

local function statuses(emulator)
  local found = {}
  for position, request in ipairs(emulator:requests()) do
    found[position] = request.status
  end
  return found
end

describe("bytenite.secrets.emulator", function()
  before_each(function()
    running, sockets = {}, {}
  end)

  after_each(function()
    for _, connection in ipairs(sockets) do
      connection:close()
    end
    for _, emulator in ipairs(running) do
      emulator:stop()
    end
    running, sockets = nil, nil
    collectgarbage()
    collectgarbage()
  end)

  describe("start", function()
    it("gives a URL on the loopback address and a random API key", function()
      local emulator, other = start(), start()
      assert.matches("^http://127%.0%.0%.1:%d+$", emulator.url)
      assert.matches("^%x+$", emulator.api_key)
      assert.is_true(#emulator.api_key >= 32)
      assert.are_not.equal(emulator.api_key, other.api_key)
      assert.are_not.equal(emulator.url, other.url)
    end)

    it("takes the API key and the port that it is told", function()
      local port = tonumber(start().url:match("%d+$"))
      running[1]:stop()
      local emulator = start { port = port, api_key = "mine" }
      assert.equal("http://127.0.0.1:" .. port, emulator.url)
      assert.equal("mine", emulator.api_key)
    end)

    it("returns nil and why when the port is taken", function()
      local port = tonumber(start().url:match("%d+$"))
      local emulator, message = emulators.start { port = port }
      assert.is_nil(emulator)
      assert.equal(("cannot listen on 127.0.0.1:%d: Address already in use"):format(port), message)
    end)

    it("raises for misuse and names the option", function()
      local function raises(pattern, ...)
        local ok, message = pcall(emulators.start, ...)
        assert.is_false(ok)
        assert.matches(pattern, message)
      end
      raises("options must be a table", "8080")
      raises("unknown option \"prot\"", { prot = 1 })
      raises("option \"port\" must be", { port = 65536 })
      raises("option \"port\" must be", { port = "80" })
      raises("option \"seed\" must be", { seed = "x" })
      raises("option \"seed\" must be", { seed = { { id = print } } })
      raises("option \"token_lifetime\" must be", { token_lifetime = 0 })
      raises("option \"omit_defaults\" must be", { omit_defaults = 1 })
      raises("option \"api_key\" must be", { api_key = "" })
      raises("option \"auth_scheme\" must be", { auth_scheme = "Basic" })
      raises("too many arguments", {}, 1)
    end)

    it("raises for a seed that is no secret and says which", function()
      local seed = { RECORD, { secret = { id = "a" } } }
      assert.has_error(function() emulators.start { seed = seed } end)
      local _, message = pcall(emulators.start, { seed = seed })
      assert.matches("seed%[2%]: \"secret.secretType\" must be a non%-empty string", message)
      local cycle = {}
      cycle[1] = cycle
      assert.has_error(function() emulators.start { seed = cycle } end)
    end)

    it("begins with the seed, with keys or without", function()
      local emulator = start {
        seed = { RECORD, { secret = { id = "b", secretType = "gcp" }, secretKey = "hush" } },
      }
      assert.same({
        { id = "my-key", secretType = "s3", accessKey = "AKIA", name = "My key", secretKey = "" },
        { id = "b", secretType = "gcp", secretKey = "hush" },
      }, emulator:secrets())
    end)

    it("says what to install when its C module is missing", function()
      local loaded, cpath = package.loaded, package.cpath
      local names = { "bytenite.secrets.emulator", "bytenite.secrets.emulator.server" }
      local kept = {}
      for _, name in ipairs(names) do
        kept[name], loaded[name] = loaded[name], nil
      end
      package.cpath = "./?.missing"
      local ok, message = pcall(require, "bytenite.secrets.emulator")
      package.cpath = cpath
      for _, name in ipairs(names) do
        loaded[name] = kept[name]
      end
      assert.is_false(ok)
      assert.matches("rock bytenite%-secrets%-emulator", message)
      assert.matches("libmicrohttpd%-dev", message)
      assert.is_nil(message:find("\n"))
    end)
  end)

  describe("the token exchange", function()
    it("gives a token, its life as a string, and a scope", function()
      local answer = exchange(start())
      assert.equal(200, answer.status)
      assert.equal("application/json", answer.headers["content-type"])
      assert.equal("3600", answer.json.expiresIn)
      assert.equal("string", type(answer.json.token))
      assert.equal("string", type(answer.json.scope))
    end)

    it("refuses another API key with 401 and the envelope", function()
      local answer = exchange(start(), "wrong")
      assert.equal(401, answer.status)
      assert.is_false(answer.json.ok)
      assert.equal(401, answer.json.error.code)
      assert.equal("string", type(answer.json.requestId))
      assert.equal("string", type(answer.json.message))
      assert.equal("string", type(answer.json.error.description))
    end)

    it("refuses a missing key and unknown members with 400", function()
      local emulator = start()
      local headers = { ["Content-Type"] = "application/json" }
      local path = "/v1/auth/access_token"
      assert.equal(400, talk(emulator, "POST", path, headers, "{}").status)
      local answer = talk(emulator, "POST", path, headers, '{"apiKey":"a","api_key":"a"}')
      assert.equal(400, answer.status)
      assert.matches("api_key", answer.json.error.description)
    end)
  end)

  describe("authorization", function()
    it("is the bare token", function()
      local emulator = start()
      local token = token_of(emulator)
      assert.equal(200, get(emulator, token).status)
      assert.equal(401, get(emulator, "Bearer " .. token).status)
      assert.equal(401, get(emulator, "unknown").status)
      assert.equal(401, talk(emulator, "GET", "/v1/auth/secrets").status)
    end)

    it("is Bearer and the token when told so", function()
      local emulator = start { auth_scheme = "Bearer" }
      local token = token_of(emulator)
      assert.equal(200, get(emulator, "Bearer " .. token).status)
      assert.equal(401, get(emulator, token).status)
    end)

    it("ends when the token expires", function()
      local emulator = start { token_lifetime = 0.2 }
      local token = token_of(emulator)
      assert.equal(200, get(emulator, token).status)
      socket.sleep(0.3)
      local answer = get(emulator, token)
      assert.equal(401, answer.status)
      assert.equal(401, answer.json.error.code)
      assert.equal(200, get(emulator, token_of(emulator)).status)
    end)
  end)

  describe("put", function()
    it("stores a record and answers with the envelope", function()
      local emulator = start()
      local answer = put(emulator, token_of(emulator), RECORD, "hush")
      assert.equal(200, answer.status)
      assert.is_true(answer.json.ok)
      assert.equal("string", type(answer.json.requestId))
      assert.equal("string", type(answer.json.message))
      assert.equal("hush", emulator:secrets()[1].secretKey)
    end)

    it("replaces a record of the same type and id in its place", function()
      local emulator = start { seed = { RECORD, { id = "b", secretType = "s3" } } }
      local token = token_of(emulator)
      put(emulator, token, { id = "my-key", secretType = "s3", name = "new" }, "k2")
      put(emulator, token, { id = "my-key", secretType = "gcp" })
      assert.same({
        { id = "my-key", secretType = "s3", name = "new", secretKey = "k2" },
        { id = "b", secretType = "s3", secretKey = "" },
        { id = "my-key", secretType = "gcp", secretKey = "k" },
      }, emulator:secrets())
    end)

    it("keeps params and unknown fields as they are", function()
      local emulator = start()
      local token = token_of(emulator)
      local big = math.type and "12345678901234567" or "9007199254740991"
      local params = '{"a":[],"big":' .. big .. ',"pi":3.141592653589793,"n":null,"o":{"x":[1]}}'
      local secret = '{"id":"a","secretType":"s3","later":[false],"params":' .. params .. "}"
      post(emulator, token, '{"secret":' .. secret .. ',"secretKey":"k"}')
      local body = get(emulator, token).body
      assert.is_truthy(body:find('"a":[]', 1, true))
      assert.is_truthy(body:find('"later":[false]', 1, true))
      assert.is_truthy(body:find('"n":null', 1, true))
      assert.is_truthy(body:find('"o":{"x":[1]}', 1, true))
      assert.is_truthy(body:find('"pi":3.14159', 1, true))
      assert.is_truthy(body:find('"big":' .. big, 1, true))
      assert.equal(core.array_mt, getmetatable(emulator:secrets()[1].params.a))
    end)

    it("keeps params as deep as they may be", function()
      local emulator = start()
      local params = {}
      for _ = 1, 29 do
        params = { inner = params }
      end
      local token = token_of(emulator)
      local secret = { id = "a", secretType = "s3", params = params }
      assert.equal(200, put(emulator, token, secret).status)
      assert.same(params, emulator:secrets()[1].params)
      assert.same(params, get(emulator, token).json.secrets[1].params)
    end)

    it("takes a JSON null for a field that is not set", function()
      local emulator = start()
      local body = '{"secret":{"id":"a","secretType":"s3","name":null},"secretKey":"k"}'
      assert.equal(200, post(emulator, token_of(emulator), body).status)
      assert.same({ id = "a", secretType = "s3", secretKey = "k" }, emulator:secrets()[1])
    end)

    it("refuses what is malformed with 400 and names the field", function()
      local emulator = start()
      local token = token_of(emulator)
      local function refuses(body, name)
        local answer = post(emulator, token, body)
        assert.equal(400, answer.status)
        assert.equal(400, answer.json.error.code)
        assert.matches(name, answer.json.error.description, 1, true)
      end
      refuses("", "JSON object")
      refuses("{", "JSON object")
      refuses("[1]", "JSON object")
      refuses("7", "JSON object")
      refuses('{"secretKey":"k"}', '"secret"')
      refuses('{"secret":[],"secretKey":"k"}', '"secret"')
      refuses('{"secret":{"secretType":"s3"},"secretKey":"k"}', '"secret.id"')
      refuses('{"secret":{"id":"","secretType":"s3"},"secretKey":"k"}', '"secret.id"')
      refuses('{"secret":{"id":"a","secretType":3},"secretKey":"k"}', '"secret.secretType"')
      refuses('{"secret":{"id":"a","secretType":"s3"}}', '"secretKey"')
      refuses('{"secret":{"id":"a","secretType":"s3"},"secretKey":""}', '"secretKey"')
      refuses('{"secret":{"id":"a","secretType":"s3"},"secretKey":"k","x":1}', '"x"')
      refuses('{"secret":{"id":"a","secretType":"s3","secretKey":"k"},"secretKey":"k"}', "belong")
      refuses('{"secret":{"id":"a","secretType":"s3","name":1},"secretKey":"k"}', '"secret.name"')
      refuses('{"secret":{"id":"a","secretType":"s3","expiresAt":1},"secretKey":"k"}', "expiresAt")
      refuses('{"secret":{"id":"a","secretType":"s3","accessKey":{}},"secretKey":"k"}', "accessKey")
      refuses('{"secret":{"id":"a","secretType":"s3","params":[1]},"secretKey":"k"}', "params")
      assert.same({}, emulator:secrets())
    end)

    it("wants the Content-Type of JSON, parameters allowed", function()
      local emulator = start()
      local token = token_of(emulator)
      local body = '{"secret":{"id":"a","secretType":"s3"},"secretKey":"k"}'
      local function status_with(content_type)
        local headers = { Authorization = token, ["Content-Type"] = content_type }
        return talk(emulator, "POST", "/v1/auth/secrets", headers, body).status
      end
      assert.equal(400, status_with(nil))
      assert.equal(400, status_with("text/plain"))
      assert.equal(400, status_with("application/jsonx"))
      assert.equal(200, status_with("Application/JSON; charset=utf-8"))
    end)

    it("refuses a body over 4 MiB with 413, after reading all of it", function()
      local emulator = start()
      local token = token_of(emulator)
      local answer = post(emulator, token, ("x"):rep(4 * 1024 * 1024 + 1))
      assert.equal(413, answer.status)
      assert.equal(413, answer.json.error.code)
      assert.equal(400, post(emulator, token, ("x"):rep(4 * 1024 * 1024)).status)
    end)
  end)

  describe("list", function()
    it("gives the records in the order of their creation, never a key", function()
      local emulator = start()
      local token = token_of(emulator)
      assert.equal('{"secrets":[]}', get(emulator, token).body)
      for _, id in ipairs { "z", "a", "m" } do
        put(emulator, token, { id = id, secretType = "s3" }, "marker-value")
      end
      local answer = get(emulator, token)
      assert.equal("z a m", ids(answer.json.secrets))
      assert.is_nil(answer.body:find("secretKey"))
      assert.is_nil(answer.body:find("marker-value", 1, true))
    end)

    it("filters by the exact secretType, percent-decoded", function()
      local emulator = start {
        seed = {
          { id = "1", secretType = "s3" },
          { id = "2", secretType = "s3 x" },
          { id = "3", secretType = "S3" },
        },
      }
      local token = token_of(emulator)
      assert.equal("1", ids(get(emulator, token, "?secretType=s3").json.secrets))
      assert.equal("2", ids(get(emulator, token, "?secretType=s3%20x").json.secrets))
      assert.equal("2", ids(get(emulator, token, "?a=b&secretType=s3+x").json.secrets))
      assert.equal("1 2 3", ids(get(emulator, token, "?secretType=").json.secrets))
      assert.equal("", ids(get(emulator, token, "?secretType=gcp").json.secrets))
      assert.equal(400, get(emulator, token, "?secretType=%zz").status)
    end)
  end)

  describe("delete", function()
    it("removes one record, and is 404 when there is none", function()
      local emulator = start { seed = { RECORD, { id = "b", secretType = "s3" } } }
      local token = token_of(emulator)
      assert.is_true(delete(emulator, token, "s3/my-key").json.ok)
      assert.equal("b", ids(emulator:secrets()))
      local answer = delete(emulator, token, "s3/my-key")
      assert.equal(404, answer.status)
      assert.equal(404, answer.json.error.code)
    end)

    it("decodes the segments after it split the path", function()
      local emulator = start { seed = { { id = "a/b c%", secretType = "s/3" } } }
      local token = token_of(emulator)
      assert.equal(404, delete(emulator, token, "s/3/a/b").status)
      assert.equal(404, delete(emulator, token, "s%2F3/a%2Fb+c%25").status)
      assert.equal(200, delete(emulator, token, "s%2f3/a%2Fb%20c%25").status)
    end)

    it("is 400 for an empty segment or a malformed escape", function()
      local emulator = start()
      local token = token_of(emulator)
      assert.equal(400, delete(emulator, token, "s3/").status)
      assert.equal(400, delete(emulator, token, "/a").status)
      assert.equal(400, delete(emulator, token, "s3/%4").status)
      assert.equal(401, delete(emulator, nil, "s3/").status)
    end)
  end)

  describe("other requests", function()
    it("get a bare gRPC status: 404 for a path, 501 for a method", function()
      local emulator = start()
      for _, path in ipairs { "/", "/v1/auth/secrets/", "/v1/auth/secrets/a", "/v1/auth/secret" } do
        local answer = talk(emulator, "GET", path)
        assert.equal(404, answer.status)
        assert.same({ code = 5, message = "Not Found", details = {} }, answer.json)
      end
      local answer = talk(emulator, "PUT", "/v1/auth/secrets", nil, "{}")
      assert.equal(501, answer.status)
      assert.same({ code = 12, message = "Method Not Allowed", details = {} }, answer.json)
      assert.equal(501, talk(emulator, "GET", "/v1/auth/secrets/s3/a").status)
      assert.equal(501, talk(emulator, "GET", "/v1/auth/access_token").status)
    end)
  end)

  describe("omit_defaults", function()
    it("leaves default-valued fields out of every answer", function()
      local emulator = start { omit_defaults = true }
      local token = token_of(emulator)
      assert.equal("{}", get(emulator, token).body)
      local refused = delete(emulator, token, "s3/none")
      assert.equal(404, refused.status)
      assert.is_nil(refused.json.ok)
      assert.equal(404, refused.json.error.code)
      assert.is_nil(talk(emulator, "GET", "/nowhere").json.details)
      assert.is_true(put(emulator, token, RECORD).json.ok)
    end)

    it("leaves them out of records, but not out of params", function()
      local emulator = start { omit_defaults = true }
      local token = token_of(emulator)
      local params = { x = "", y = false }
      put(emulator, token, { id = "a", secretType = "s3", name = "", params = params })
      local kept = { id = "a", secretType = "s3", params = params }
      assert.same({ secrets = { kept } }, get(emulator, token).json)
    end)
  end)

  describe("requests", function()
    it("lists what came, raw, in the order of arrival", function()
      local emulator = start()
      local body = "\0\255 no JSON"
      talk(emulator, "POST", "/a%2Fb?x=%20&y", { ["X-One"] = "1" }, body)
      talk(emulator, "GET", "/c")
      talk(emulator, "GET", "/d?")
      local first, second, third = (unpack or table.unpack)(emulator:requests())
      assert.equal("POST", first.method)
      assert.equal("/a%2Fb", first.path)
      assert.equal("x=%20&y", first.query)
      assert.equal("1", first.headers["x-one"])
      assert.equal("emulator", first.headers.host)
      assert.equal(body, first.body)
      assert.equal(404, first.status)
      assert.equal("/c", second.path)
      assert.is_nil(second.query)
      assert.equal("", second.body)
      assert.equal("", third.query)
    end)

    it("joins a repeated header", function()
      local emulator = start()
      talk(emulator, "GET", "/", { ["X-Two"] = "1\r\nx-two: 2" })
      assert.equal("1, 2", emulator:requests()[1].headers["x-two"])
    end)
  end)

  describe("fail", function()
    it("answers once with a status, and applies nothing", function()
      local emulator = start()
      local token = token_of(emulator)
      emulator:fail { op = "put", status = 503, headers = { ["Retry-After"] = 3 } }
      local answer = put(emulator, token, RECORD)
      assert.equal(503, answer.status)
      assert.equal("3", answer.headers["retry-after"])
      assert.equal("application/json", answer.headers["content-type"])
      assert.is_false(answer.json.ok)
      assert.equal(503, answer.json.error.code)
      assert.same({}, emulator:secrets())
      assert.equal(200, put(emulator, token, RECORD).status)
    end)

    it("answers with a body and a type of one's own", function()
      local emulator = start()
      emulator:fail { body = "<h1>", headers = { ["content-type"] = "text/html" } }
      local answer = talk(emulator, "GET", "/anything")
      assert.equal(200, answer.status)
      assert.equal("text/html", answer.headers["content-type"])
      assert.equal("<h1>", answer.body)
      emulator:fail { status = 502, body = "" }
      answer = talk(emulator, "GET", "/anything")
      assert.equal(502, answer.status)
      assert.equal("", answer.body)
    end)

    it("uses faults in the order given, each for its operation and its times", function()
      local emulator = start()
      local token = token_of(emulator)
      emulator:fail { op = "list", status = 500, times = 2 }
      emulator:fail { op = "authenticate", status = 429 }
      emulator:fail { status = 502 }
      assert.equal(500, get(emulator, token).status)
      assert.equal(429, exchange(emulator).status)
      assert.equal(500, get(emulator, token).status)
      assert.equal(502, get(emulator, token).status)
      assert.equal(200, get(emulator, token).status)
      assert.same({ 200, 500, 429, 500, 502, 200 }, statuses(emulator))
    end)

    it("goes on for ever with times = math.huge", function()
      local emulator = start()
      emulator:fail { times = math.huge, status = 503 }
      for _ = 1, 20 do
        assert.equal(503, exchange(emulator).status)
      end
    end)

    it("drops a request before anything is applied", function()
      local emulator = start()
      local token = token_of(emulator)
      emulator:fail { op = "put", drop = "before" }
      local answer, reason = put(emulator, token, RECORD)
      assert.is_nil(answer)
      assert.equal("closed", reason)
      assert.same({}, emulator:secrets())
      assert.same({ 200, 0 }, statuses(emulator))
    end)

    it("drops the answer after the request was applied", function()
      local emulator = start()
      local token = token_of(emulator)
      emulator:fail { op = "put", drop = "after" }
      assert.is_nil(put(emulator, token, RECORD))
      assert.equal("my-key", ids(emulator:secrets()))
    end)

    it("breaks off midway through the body, after the request was applied", function()
      local emulator = start()
      local token = token_of(emulator)
      emulator:fail { op = "put", drop = "midway" }
      local answer = put(emulator, token, RECORD)
      assert.equal(200, answer.status)
      assert.is_false(answer.complete)
      local announced = tonumber(answer.headers["content-length"])
      assert.equal(math.floor(announced / 2), #answer.body)
      assert.equal("my-key", ids(emulator:secrets()))
      emulator:fail { drop = "midway", body = "x" }
      answer = talk(emulator, "GET", "/")
      assert.equal("1", answer.headers["content-length"])
      assert.equal("", answer.body)
      assert.is_false(answer.complete)
    end)

    it("delays an answer, not the request, and nobody else", function()
      local emulator = start()
      local token = token_of(emulator)
      emulator:fail { op = "put", delay = 0.5 }
      local slow = send(emulator, "POST", "/v1/auth/secrets", {
        Authorization = token,
        ["Content-Type"] = "application/json",
      }, '{"secret":{"id":"a","secretType":"s3"},"secretKey":"k"}')
      repeat until ids(get(emulator, token).json.secrets) == "a"
      slow:settimeout(0)
      assert.is_nil(slow:receive("*l"))
      slow:settimeout(10)
      assert.equal(200, receive(slow).status)
    end)

    it("delays many answers at the same time", function()
      local emulator = start()
      emulator:fail { delay = 0.2, times = 100, status = 503 }
      local began, waiting = socket.gettime(), {}
      for position = 1, 100 do
        waiting[position] = send(emulator, "GET", "/" .. position)
      end
      for _, connection in ipairs(waiting) do
        assert.equal(503, receive(connection).status)
      end
      assert.is_true(socket.gettime() - began < 10)
    end)

    it("can delay and drop at once", function()
      local emulator = start()
      emulator:fail { delay = 0.1, drop = "after" }
      assert.is_nil(talk(emulator, "GET", "/"))
      assert.equal(404, talk(emulator, "GET", "/").status)
    end)

    it("survives a client that does not wait for a delayed answer", function()
      local emulator = start()
      emulator:fail { delay = 0.1, body = ("x"):rep(1000000) }
      send(emulator, "GET", "/"):close()
      socket.sleep(0.2)
      assert.equal(404, talk(emulator, "GET", "/").status)
    end)

    it("can send header blocks that no client should take", function()
      local emulator = start()
      emulator:fail { headers = { ["X-Long"] = ("x"):rep(100000) } }
      assert.equal(100000, #talk(emulator, "GET", "/").headers["x-long"])
    end)

    it("raises for misuse and names the option", function()
      local emulator = start()
      local function raises(pattern, ...)
        local ok, message = pcall(emulator.fail, emulator, ...)
        assert.is_false(ok)
        assert.matches(pattern, message)
      end
      raises("options must be a table")
      raises("unknown option \"stauts\"", { stauts = 1 })
      raises("option \"op\" must be", { op = "get" })
      raises("option \"times\" must be", { times = 0 })
      raises("option \"status\" must be", { status = 100 })
      raises("option \"status\" must be", { status = "503" })
      raises("option \"headers\" must be", { headers = { ["a b"] = "c" } })
      raises("option \"headers\" must be", { headers = { a = "b\r\nc: d" } })
      raises("Content%-Length", { headers = { ["Content-Length"] = 3 } })
      raises("option \"body\" must be", { body = 1 })
      raises("option \"delay\" must be", { delay = -1 })
      raises("option \"drop\" must be", { drop = "later" })
      raises("\"body\" must not be empty", { drop = "midway", body = "" })
      raises("too many arguments", {}, 1)
      assert.has_error(function() emulator.fail { status = 500 } end)
    end)
  end)

  describe("connections", function()
    it("are kept for the next request", function()
      local emulator = start()
      local connection = connect(emulator)
      for _ = 1, 3 do
        connection:send("GET /x HTTP/1.1\r\nHost: emulator\r\n\r\n")
        assert.equal(404, receive(connection).status)
      end
      assert.equal(3, #emulator:requests())
    end)

    it("take chunked bodies", function()
      local emulator = start()
      local connection = connect(emulator)
      connection:send("POST /x HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n")
      connection:send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
      assert.equal(404, receive(connection).status)
      assert.equal("abcde", emulator:requests()[1].body)
    end)
  end)

  describe("stop", function()
    it("frees the port, may be repeated, and ends every other method", function()
      local emulator = start()
      local port = tonumber(emulator.url:match("%d+$"))
      emulator:stop()
      emulator:stop()
      assert.is_nil(socket.connect("127.0.0.1", port))
      for _, name in ipairs { "fail", "requests", "secrets" } do
        local ok, message = pcall(emulator[name], emulator, {})
        assert.is_false(ok)
        assert.matches("the emulator is stopped", message)
      end
    end)

    it("closes connections whose answer is still delayed", function()
      local emulator = start()
      emulator:fail { delay = math.huge }
      local waiting = send(emulator, "GET", "/")
      repeat until #emulator:requests() == 1
      emulator:stop()
      local answer, reason = receive(waiting)
      assert.is_nil(answer)
      assert.equal("closed", reason)
    end)

    it("is not needed when the emulator is collected as garbage", function()
      local port = tonumber(assert(emulators.start()).url:match("%d+$"))
      collectgarbage()
      collectgarbage()
      assert.is_nil(socket.connect("127.0.0.1", port))
    end)

    it("leaves nothing open, and nothing is inherited by other programs", function()
      local function inherited()
        local pipe = io.popen("ls /proc/self/fd | wc -l")
        local count = tonumber(pipe:read("*a"))
        pipe:close()
        return count
      end
      local before = inherited()
      local emulator = start()
      local connection = send(emulator, "GET", "/")
      assert.equal(404, receive(connection).status)
      connection:close()
      assert.equal(before, inherited())
      emulator:stop()
      assert.equal(before, inherited())
    end)

    it("does nothing in a forked child", function()
      local emulator = start()
      local child = process.fork()
      if child == 0 then
        local refused = not pcall(emulator.requests, emulator)
        emulator:stop()
        process.exit(refused and 7 or 1)
      end
      assert.equal(7, process.wait(child))
      assert.equal(404, talk(emulator, "GET", "/").status)
    end)
  end)

  describe("several emulators", function()
    it("know nothing of each other", function()
      local one, two = start { seed = { RECORD } }, start()
      assert.equal(401, get(two, token_of(one)).status)
      assert.equal(1, #one:secrets())
      assert.equal(0, #two:secrets())
      two:stop()
      assert.equal(1, #one:requests())
    end)
  end)
end)
