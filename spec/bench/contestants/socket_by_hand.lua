-- HTTP written by hand on luasocket (and luasec): one connection, answers with a Content-Length.

local cjson = require "cjson"
local socket = require "socket"
local values = require "contestants.values"

local function connect(url, ca)
  local host, port = url:match("//([^:]+):(%d+)")
  local connection = assert(socket.connect(host, port))
  connection:setoption("tcp-nodelay", true)
  if not ca then return connection end
  connection = assert(require("ssl").wrap(connection, {
    mode = "client",
    protocol = "any",
    verify = "peer",
    cafile = ca,
  }))
  assert(connection:dohandshake())
  return connection
end

local function read_answer(connection)
  local status = assert(connection:receive("*l")):match("^HTTP/1.1 (%d%d%d)")
  local length
  repeat
    local line = assert(connection:receive("*l"))
    length = length or line:match("^[Cc]ontent%-[Ll]ength: *(%d+)")
  until line == ""
  assert(status == "200")
  return cjson.decode((assert(connection:receive(tonumber(length)))))
end

return function(url, ca)
  local connection = connect(url, ca)
  local prefix, host = url:match("//[^/]*(.*)$"), url:match("//([^/]*)")
  local target = prefix .. "/v1/auth/secrets"
  local rest = (" HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nAccept: application/json\r\n")
    :format(host, values.token)

  local operations = {}

  function operations.list()
    assert(connection:send("GET " .. target .. rest .. "\r\n"))
    assert(read_answer(connection).secrets)
  end

  function operations.put()
    local body = cjson.encode { secret = values.secret, secretKey = values.secretKey }
    assert(connection:send("POST " .. target .. rest .. "Content-Type: application/json\r\n"
      .. "Content-Length: " .. #body .. "\r\n\r\n" .. body))
    assert(read_answer(connection).ok)
  end

  function operations.delete()
    assert(connection:send("DELETE " .. target .. "/s3/s3-secret" .. rest .. "\r\n"))
    assert(read_answer(connection).ok)
  end

  return operations
end
