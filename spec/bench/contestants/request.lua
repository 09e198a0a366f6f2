-- `http.request` of luasocket, `https.request` of luasec: a connection for each call.

local cjson = require "cjson"
local ltn12 = require "ltn12"
local values = require "contestants.values"

return function(url, ca)
  local library = require(ca and "ssl.https" or "socket.http")

  local function call(method, path, body)
    local pieces = {}
    local headers = { Authorization = values.token, Accept = "application/json" }
    if body then
      headers["Content-Type"], headers["Content-Length"] = "application/json", #body
    end
    local _, status = library.request {
      url = url .. "/v1/auth/secrets" .. path,
      method = method,
      headers = headers,
      source = body and ltn12.source.string(body),
      sink = ltn12.sink.table(pieces),
      verify = ca and "peer",
      cafile = ca,
    }
    assert(status == 200, status)
    return cjson.decode(table.concat(pieces))
  end

  local operations = {}

  function operations.list()
    assert(call("GET", "").secrets)
  end

  function operations.put()
    local body = cjson.encode { secret = values.secret, secretKey = values.secretKey }
    assert(call("POST", "", body).ok)
  end

  function operations.delete()
    assert(call("DELETE", "/s3/s3-secret").ok)
  end

  return operations
end
