-- A page for deployment jobs: GET /credentials lists, PUT /credentials/TYPE/ID stores the body as
-- the key of that secret, DELETE removes it. lighttpd serves nobody else while a call waits, so
-- calls are kept short.

local secrets = require "bytenite.secrets"

local request = lighty.r
local LIMITS = { deadline = 2 }

-- In lighttpd 1.4.69 `get` may begin with the head of the request.
local function body()
  local length = request.req_body.len
  return length > 0 and request.req_body.get:sub(-length) or ""
end

local function run(method, secret_type, id)
  if method == "GET" then return secrets.list(nil, LIMITS) end
  if method == "DELETE" then return secrets.delete(secret_type, id, LIMITS) end
  return secrets.put({ id = id, secretType = secret_type }, body(), LIMITS)
end

if not request.req_body.collect then return 0 end -- comes back with the whole body

local method = request.req_attr["request.method"]
local secret_type, id = request.req_attr["uri.path"]:match("^/credentials/([^/]+)/([^/]+)$")
if not secret_type and method ~= "GET" then return 404 end

local result, err = run(method, secret_type, id)
if not result then
  print(tostring(err)) -- into the error log
  request.resp_body.set(err.message .. "\n")
  return 502
end
for _, secret in ipairs(result) do
  request.resp_body.add(("%s/%s\n"):format(secret.secretType, secret.id))
end
return 200
