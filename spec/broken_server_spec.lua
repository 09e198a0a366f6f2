local core = require "bytenite.secrets.core"
local raw_server = require "raw_server"
local service = require "service"

local KEY = "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"
local RECORD = { id = "my-key", secretType = "s3" }
local OK = '{"ok":true,"secrets":[]}' -- good for put and delete, and an empty list
local GONE = '{"ok":false,"error":{"code":404}}'
local LINES = "HTTP/1.1 200 OK\r\n"
local LENGTH = ("Content-Length: %d\r\n\r\n"):format(#OK)
local FOREVER = math.huge

local request, reset, hold = raw_server.request, raw_server.reset, raw_server.hold
local answer, flood, drip = raw_server.answer, raw_server.flood, raw_server.drip

local sleep = core.sleep

local function start(...)
  return service.keep(raw_server.start { ... })
end

local function open(server, options)
  return service.open(options,
    { access_token = "the-access-token", base_url = server.url, retries = 0, timeout = 5 })
end

-- What list and put make of a server that plays this script for each connection; put's error and
-- list's error.
local function failures(script, options)
  local client = open(start(script), options)
  local list, list_error = client:list()
  local receipt, put_error = client:put(RECORD, KEY)
  assert.is_nil(list)
  assert.is_nil(receipt)
  for _, err in ipairs { list_error, put_error } do
    assert.is_nil(tostring(err):find(KEY, 1, true))
    assert.is_nil(tostring(err):find("the-access-token", 1, true))
  end
  assert.is_false(list_error.ambiguous)
  assert.equal(put_error.kind, list_error.kind)
  assert.equal(put_error.retryable, list_error.retryable)
  return put_error, list_error
end

-- An answer that broke off. Where libcurl sees nothing wrong with it, it is "protocol".
local function check_broken(script, kind)
  local err = failures(script)
  assert.equal(kind or "network", err.kind)
  assert.is_true(err.retryable)
  assert.is_true(err.ambiguous)
  assert.equal(1, err.sends)
  return err
end

-- An answer that says nothing of the service, so that asking again is no use.
local function check_foreign(script, options)
  local err = failures(script, options)
  assert.equal("protocol", err.kind)
  assert.is_false(err.retryable)
  assert.is_true(err.ambiguous)
  assert.equal(1, err.attempts)
  return err
end

local function check_success(script, options)
  local client = open(start(script), options)
  assert.same({}, client:list())
  assert.same({ ok = true }, client:put(RECORD, KEY))
end

describe("a server that is broken", function()
  after_each(function()
    core.sleep = sleep
    service.release()
  end)

  describe("cuts its answer off", function()
    it("within the status line", function()
      check_broken { request, "HTTP/1.1 20" }
    end)

    it("within the headers, which libcurl takes for a whole answer", function()
      local err = check_broken({ request, LINES .. "Content-Le" }, "protocol")
      assert.equal(200, err.status)
      assert.matches("headers were cut off", err.message)
      check_broken({ request, LINES .. "X-Any: thing\r\n" }, "protocol")
      check_broken({ request, LINES }, "protocol")
    end)

    it("within a body of known length", function()
      local err = check_broken { request, LINES .. LENGTH .. OK:sub(1, -2) }
      assert.matches("^curl 18: ", err.cause)
      assert.matches("the answer broke off", err.message)
    end)

    it("within a body that would end with the connection", function()
      for _, length in ipairs { 0, 1, 5, #OK - 1 } do
        check_broken({ request, LINES .. "\r\n" .. OK:sub(1, length) }, "protocol")
      end
    end)

    it("within a chunked body", function()
      local head = LINES .. "Transfer-Encoding: chunked\r\n\r\n"
      local size = ("%x"):format(#OK)
      local chunk = size .. "\r\n" .. OK .. "\r\n"
      for _, body in ipairs { "", size, size .. "\r\n", chunk:sub(1, 11), chunk, chunk .. "0" } do
        check_broken { request, head .. body }
      end
    end)

    it("with RST instead of an end", function()
      check_broken { request, LINES .. LENGTH .. "{", raw_server.wait(0.02), reset }
    end)

    it("after an interim answer", function()
      check_broken { request, "HTTP/1.1 100 Continue\r\n\r\n" }
      check_broken { request, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" }
    end)

    it("and the body of a failure as well, so that its status cannot be trusted", function()
      check_broken { request, "HTTP/1.1 403 Forbidden\r\nContent-Length: 50\r\n\r\n{" }
    end)
  end)

  describe("answers in an odd way that is whole", function()
    it("with a body that ends with the connection", function()
      check_success { request, LINES .. "\r\n" .. OK }
      check_success { request, "HTTP/1.0 200 OK\r\n\r\n" .. OK .. "\n" }
    end)

    it("with chunks, down to single bytes", function()
      local chunks = OK:gsub(".", "1\r\n%0\r\n") .. "0\r\n\r\n"
      check_success { request, LINES .. "Transfer-Encoding: chunked\r\n\r\n" .. chunks, request }
    end)

    it("byte by byte", function()
      check_success { request, drip(answer(200, OK), 0.0005) }
    end)

    it("after interim answers", function()
      check_success { request, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>"
        .. "\r\n\r\n" .. answer(200, OK) }
    end)

    it("with more than the answer, which is not taken for the next one", function()
      local server = start { request, answer(200, OK) .. answer(200,
        '{"secrets":[{"id":"evil"}]}'), hold }
      local client = open(server)
      assert.same({ ok = true }, client:put(RECORD, KEY))
      local err = select(2, client:list(nil, { timeout = 0.3 }))
      assert.is_nil(err) -- on a connection of its own
      assert.equal(2, #server:requests())
    end)
  end)

  describe("does not speak HTTP", function()
    it("but sends the body alone, as HTTP/0.9 did", function()
      check_foreign { request, OK }
    end)

    it("but another protocol", function()
      check_foreign { "SSH-2.0-OpenSSH_9.2\r\n", request }
    end)

    it("as one has to", function()
      check_foreign { request, "HTTP/1.1 1000 Much\r\n\r\n" .. OK }
      check_foreign { request, LINES .. "Content-Length: -5\r\n\r\n" .. OK }
      check_foreign { request, LINES .. "X: a\0b\r\n" .. LENGTH .. OK }
    end)

    it("when it is asked for TLS, which is tried twice and never sends a thing", function()
      core.sleep = function() return true end
      local server = start { raw_server.read(1), "HTTP/1.1 400 Bad Request\r\n\r\n" }
      local client = open(server, { base_url = "https://127.0.0.1:" .. server.port, retries = 3 })
      local _, err = client:put(RECORD, KEY)
      assert.equal("tls", err.kind)
      assert.matches("^curl 35: ", err.cause)
      assert.equal(2, err.attempts)
      assert.equal(0, err.sends)
      assert.is_false(err.ambiguous)
      assert.equal(2, #server:requests())
    end)
  end)

  describe("answers without end", function()
    local LARGE = { max_response_bytes = 100000 }

    it("in the headers, many or one", function()
      local line = "X-Fill: " .. ("y"):rep(1000) .. "\r\n"
      assert.matches("larger than allowed", check_foreign({ request, LINES,
        flood(line:rep(8), FOREVER) }).message)
      check_foreign { request, LINES .. "X: ", flood(("y"):rep(8000), FOREVER) }
    end)

    it("in interim answers", function()
      for _, interim in ipairs { "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" } do
        check_foreign { request, flood(interim:rep(100), FOREVER) }
      end
    end)

    it("in the body", function()
      check_foreign({ request, LINES .. "Transfer-Encoding: chunked\r\n\r\n",
        flood("2000\r\n" .. ("["):rep(8192) .. "\r\n", FOREVER) }, LARGE)
      check_foreign({ request, LINES .. "\r\n", flood((" "):rep(8192), FOREVER) }, LARGE)
    end)

    it("or with more than was allowed", function()
      check_foreign({ request, answer(200, (" "):rep(300000) .. OK) }, LARGE)
    end)

    it("and may answer a list with as much as was allowed", function()
      local client = open(start { request, answer(200, (" "):rep(100000 - #OK) .. OK) }, LARGE)
      assert.same({}, client:list())
    end)

    it("after a status of failure, which holds all the same", function()
      local head = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
      local chunk = "2000\r\n" .. ("["):rep(8192) .. "\r\n"
      local err = failures({ request, head, flood(chunk, FOREVER) }, LARGE)
      assert.equal("forbidden", err.kind)
      assert.is_false(err.ambiguous)
    end)
  end)

  describe("compresses", function()
    it("an answer although nobody asked it to", function()
      assert.matches("compressed", check_foreign({ request, answer(200, "\31\139\8\0",
        "Content-Encoding: gzip\r\n") }).message)
    end)

    it("a failure, whose status holds all the same", function()
      local err = failures { request, answer(503, "\31\139\8\0", "Content-Encoding: gzip\r\n") }
      assert.equal("unavailable", err.kind)
      assert.is_nil(err.description)
    end)
  end)

  describe("redirects", function()
    for _, status in ipairs { 301, 302, 303, 307, 308 } do
      it("with " .. status .. ", and nothing reaches the other server", function()
        local other = start { request, answer(200, OK) }
        local redirect = answer(status, "", ("Location: %s/v1/auth/secrets\r\n")
          :format(other.url))
        local server = start { request, redirect, request, redirect, request, redirect }
        local client = open(server, { retries = 2 })
        for _, call in ipairs { "list", "put", "delete" } do
          local _, err
          if call == "list" then _, err = client:list() end
          if call == "put" then _, err = client:put(RECORD, KEY) end
          if call == "delete" then _, err = client:delete("s3", "my-key") end
          assert.equal("protocol", err.kind)
          assert.equal(status, err.status)
          assert.equal(1, err.attempts)
          assert.is_false(err.ambiguous)
        end
        assert.equal(3, server:sends())
        assert.equal(0, #other:requests())
      end)
    end
  end)

  describe("is not there", function()
    it("so that nothing is sent, and no write is open", function()
      core.sleep = function() return true end
      local url = ("http://127.0.0.1:%d"):format(raw_server.free_port())
      local client = open({ url = url }, { retries = 2 })
      local _, err = client:put(RECORD, KEY)
      assert.equal("network", err.kind)
      assert.matches("^curl 7: ", err.cause)
      assert.is_true(err.retryable)
      assert.is_false(err.ambiguous)
      assert.equal(3, err.attempts)
      assert.equal(0, err.sends)
    end)

    it("at first, and then is", function()
      local port = raw_server.free_port()
      local client = open({ url = "http://127.0.0.1:" .. port }, { retries = 1 })
      core.sleep = function()
        service.keep(raw_server.start({ { request, answer(200, OK) } }, { port = port }))
        return true
      end
      assert.same({ ok = true }, client:put(RECORD, KEY))
    end)
  end)

  describe("says nothing", function()
    local BRIEF = { timeout = 0.2 }

    local function check_timeout(script, status)
      local err = failures(script, BRIEF)
      assert.equal("timeout", err.kind)
      assert.matches("^curl 28: ", err.cause)
      assert.equal(status, err.status)
      assert.is_true(err.retryable)
      assert.is_true(err.ambiguous)
      assert.equal(1, err.sends)
    end

    it("and does not even read", function()
      check_timeout { raw_server.wait(60) }
    end)

    it("after it has read the request", function()
      check_timeout { request, hold }
    end)

    it("more than a byte now and then", function()
      check_timeout { request, drip(answer(200, OK), 0.05) }
      check_timeout({ request, LINES .. LENGTH, drip(OK, 0.05) }, 200)
    end)

    it("after 101, for which nobody asked", function()
      check_timeout({ request, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", hold },
        101)
    end)

    it("but closes the connection", function()
      local err = check_broken { request }
      assert.matches("^curl 52: ", err.cause)
      check_broken { request, reset }
      check_broken { raw_server.read(20), reset }
    end)

    it("at its first attempt, and then works", function()
      core.sleep = function() return true end
      for _, broken in ipairs { { request }, { request, reset }, { request, LINES .. "Content-Le" },
        { request, LINES .. "\r\n{" } } do
        local server = start(broken, { request, answer(200, OK) })
        assert.same({ ok = true }, open(server, { retries = 1 }):put(RECORD, KEY))
        assert.equal(2, server:sends())
      end
    end)
  end)

  describe("closes a kept connection", function()
    -- A first call that succeeds, then one whose request is read and not answered. libcurl sends
    -- that one again by itself.
    local function resent(ending, last)
      local server = start({ request, answer(200, OK), request, ending },
        { request, last, request })
      return open(server), server
    end

    it("before the request, which is then sent once", function()
      local server = start({ request, answer(200, OK) }, { request, answer(404, GONE) })
      local client = open(server)
      assert(client:list())
      core.sleep(0.2)
      local _, err = client:delete("s3", "my-key")
      assert.equal("not_found", err.kind)
      assert.equal(1, err.sends)
      assert.is_false(err.ambiguous)
    end)

    it("after the request, and the second send is counted", function()
      for _, ending in ipairs { raw_server.wait(0), reset } do
        local client, server = resent(ending, answer(403, OK))
        assert(client:list())
        local _, err = client:put(RECORD, KEY)
        assert.equal("forbidden", err.kind)
        assert.equal(1, err.attempts)
        assert.equal(2, err.sends)
        assert.is_true(err.ambiguous)
        assert.equal(3, server:sends())
      end
    end)

    it("after a delete, whose 404 then means that it was done", function()
      for _, ending in ipairs { raw_server.wait(0), reset } do
        local client, server = resent(ending, answer(404, GONE))
        assert(client:list())
        assert.same({ ok = true, absent = true }, client:delete("s3", "my-key"))
        assert.equal(3, server:sends())
      end
    end)
  end)

  it("sends another answer later on, which is not taken for the next one", function()
    local evil = answer(200, '{"ok":true,"requestId":"evil"}')
    local server = start({ request, answer(200, OK), raw_server.wait(0.05), evil, request, hold },
      { request, answer(200, OK), request, answer(200, OK) })
    local client = open(server)
    assert.same({ ok = true }, client:put(RECORD, KEY))
    core.sleep(0.3)
    assert.same({ ok = true }, client:put(RECORD, KEY))
    assert.same({ ok = true }, client:delete("s3", "my-key"))
    assert.equal(2, #server:requests())
    assert.equal(3, server:sends())
  end)
end)
