-- A page for deployment jobs: GET /credentials lists, PUT /credentials/TYPE/ID stores the body as
-- the key of that secret, DELETE removes it. A timer warns of what expires.

local secrets = require "bytenite.secrets"

-- nginx watches no descriptors but its own, so this looks again every 5 milliseconds. Its clock
-- stands still while timers run out at once, so it waits for 1 at least.
local function wait(_, seconds)
  ngx.sleep(math.max(0.001, math.min(seconds, 0.005)))
end

-- Made in the master process, which alone has to be able to read the file; each worker has
-- connections of its own.
local client = assert(secrets.new {
  wait = wait,
  api_key = assert(secrets.from_file(os.getenv "BYTENITE_API_KEY_FILE")),
})

local function run(method, secret_type, id)
  if method == "GET" then return client:list() end
  if method == "DELETE" then return client:delete(secret_type, id) end
  ngx.req.read_body()
  return client:put({ id = id, secretType = secret_type }, ngx.req.get_body_data() or "")
end

local credentials = {}

-- content_by_lua
function credentials.serve()
  local method = ngx.req.get_method()
  local secret_type, id = ngx.var.uri:match("^/credentials/([^/]+)/([^/]+)$")
  if not secret_type and method ~= "GET" then return ngx.exit(404) end
  local result, err = run(method, secret_type, id)
  if not result then
    ngx.log(ngx.ERR, tostring(err))
    ngx.status = 502
    return ngx.say(err.message)
  end
  for _, secret in ipairs(result) do
    ngx.say(secret.secretType, "/", secret.id)
  end
end

local function warn_of_expiring(premature)
  if premature then return end -- the worker ends
  local list, err = client:list()
  if not list then return ngx.log(ngx.ERR, tostring(err)) end
  for _, secret in ipairs(secrets.expiring(list, 14 * 86400)) do
    ngx.log(ngx.WARN, secret.secretType, "/", secret.id, " expires at ", secret.expiresAt)
  end
end

-- init_worker_by_lua
function credentials.watch()
  if ngx.worker.id() ~= 0 then return end
  ngx.timer.at(0, warn_of_expiring)
  ngx.timer.every(86400, warn_of_expiring)
end

return credentials
