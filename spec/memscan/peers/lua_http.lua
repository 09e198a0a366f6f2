-- What one would write with luasocket, or luasec for https, and lua-cjson:
--   lua lua_http.lua URL CA API_KEY_FILE SECRET_KEY_FILE

local cjson = require "cjson"
local ltn12 = require "ltn12"

local url, ca, api_key_file, secret_key_file = ...

local http = url:find("^https:") and require "ssl.https" or require "socket.http"

local function checkpoint(name)
  io.stdout:write(name, " ok\n")
  io.stdout:flush()
  io.stdin:read("*l")
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function call(method, path, token, body)
  local text = body and cjson.encode(body)
  local answer = {}
  local _, status = assert(http.request {
    url = url .. path,
    method = method,
    headers = {
      ["Authorization"] = token,
      ["Content-Type"] = text and "application/json",
      ["Content-Length"] = text and #text,
    },
    source = text and ltn12.source.string(text),
    sink = ltn12.sink.table(answer),
    protocol = "any",
    verify = "peer",
    cafile = ca,
  })
  assert(status == 200, status)
  return cjson.decode(table.concat(answer))
end

local function use()
  local token = call("POST", "/v1/auth/access_token", nil, { apiKey = read(api_key_file) }).token
  assert(call("POST", "/v1/auth/secrets", token, {
    secret = { id = "my-key", secretType = "s3", accessKey = "AKIAIOSFODNN7EXAMPLE" },
    secretKey = read(secret_key_file),
  }).ok)
  local listed = call("GET", "/v1/auth/secrets", token).secrets
  checkpoint "use"
  return #listed
end

use()
collectgarbage()
collectgarbage()
checkpoint "collect"
