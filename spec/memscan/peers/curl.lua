-- What one would write with the curl command and lua-cjson; the command line is what ps shows:
--   lua curl.lua URL CA API_KEY_FILE SECRET_KEY_FILE

local cjson = require "cjson"

local url, ca, api_key_file, secret_key_file = ...

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

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function call(path, token, body)
  local command = "curl -s --http1.1 --cacert " .. quoted(ca)
  if token then command = command .. " -H " .. quoted("Authorization: " .. token) end
  if body then
    command = command .. " -H 'Content-Type: application/json' -d " .. quoted(cjson.encode(body))
  end
  local pipe = assert(io.popen(command .. " " .. quoted(url .. path)))
  local answer = pipe:read("a")
  pipe:close()
  return cjson.decode(answer)
end

local function use()
  local token = call("/v1/auth/access_token", nil, { apiKey = read(api_key_file) }).token
  assert(call("/v1/auth/secrets", token, {
    secret = { id = "my-key", secretType = "s3", accessKey = "AKIAIOSFODNN7EXAMPLE" },
    secretKey = read(secret_key_file),
  }).ok)
  local listed = call("/v1/auth/secrets", token).secrets
  checkpoint "use"
  return #listed
end

use()
collectgarbage()
collectgarbage()
checkpoint "collect"
