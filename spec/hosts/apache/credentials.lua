-- A page for deployment jobs: GET /credentials lists, PUT /credentials/TYPE/ID stores the body as
-- the key of that secret, DELETE removes it. A call occupies its process, and no other.

local secrets = require "bytenite.secrets"

local LIMITS = { deadline = 5 }

local function run(r, secret_type, id)
  if r.method == "GET" then return secrets.list(nil, LIMITS) end
  if r.method == "DELETE" then return secrets.delete(secret_type, id, LIMITS) end
  return secrets.put({ id = id, secretType = secret_type }, r:requestbody(), LIMITS)
end

function handle(r)
  local secret_type, id = r.uri:match("^/credentials/([^/]+)/([^/]+)$")
  if not secret_type and r.method ~= "GET" then return 404 end
  r.content_type = "text/plain"
  local result, err = run(r, secret_type, id)
  if not result then
    r:err(tostring(err)) -- into the error log
    r.status = 502
    r:puts(err.message, "\n")
    return apache2.OK
  end
  for _, secret in ipairs(result) do
    r:puts(secret.secretType, "/", secret.id, "\n")
  end
  return apache2.OK
end
