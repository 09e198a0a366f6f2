-- A page for deployment jobs: GET /credentials lists, PUT /credentials/TYPE/ID stores the body as
-- the key of that secret, DELETE removes it. A task warns of what expires.

local secrets = require "bytenite.secrets"

-- HAProxy watches no descriptors but its own, so this looks again every 5 milliseconds.
local function wait(_, seconds)
  core.msleep(math.ceil(math.max(1, math.min(seconds * 1000, 5))))
end

-- The file is read now: not later as another user, nor within a chroot.
local client = assert(secrets.new {
  wait = wait,
  api_key = assert(secrets.from_file(os.getenv "BYTENITE_API_KEY_FILE")),
})

-- While HAProxy starts, a call may block: a key that is refused is better known now.
core.register_init(function()
  local answer, err = secrets.authenticate()
  if not answer then core.log(core.err, tostring(err)) end
  secrets.close()
end)

local function run(applet, secret_type, id)
  if applet.method == "GET" then return client:list() end
  if applet.method == "DELETE" then return client:delete(secret_type, id) end
  return client:put({ id = id, secretType = secret_type }, applet:receive())
end

local function reply(applet, status, text)
  applet:set_status(status)
  applet:add_header("content-type", "text/plain")
  applet:add_header("content-length", #text)
  applet:start_response()
  applet:send(text)
end

core.register_service("credentials", "http", function(applet)
  local secret_type, id = applet.path:match("^/credentials/([^/]+)/([^/]+)$")
  if not secret_type and applet.method ~= "GET" then return reply(applet, 404, "") end
  local result, err = run(applet, secret_type, id)
  if not result then
    core.log(core.err, tostring(err))
    return reply(applet, 502, err.message .. "\n")
  end
  local lines = {}
  for _, secret in ipairs(result) do
    lines[#lines + 1] = ("%s/%s\n"):format(secret.secretType, secret.id)
  end
  reply(applet, 200, table.concat(lines))
end)

local function warn_of_expiring()
  local list, err = client:list()
  if not list then return core.log(core.err, tostring(err)) end
  for _, secret in ipairs(secrets.expiring(list, 14 * 86400)) do
    core.log(core.warning, ("%s/%s expires at %s"):format(secret.secretType, secret.id,
      secret.expiresAt))
  end
end

core.register_task(function()
  while true do
    warn_of_expiring()
    core.sleep(86400)
  end
end)
