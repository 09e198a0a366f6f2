-- A page for deployment jobs: GET /credentials lists, PUT /credentials/TYPE/ID stores the body as
-- the key of that secret, DELETE removes it.

local async = require "util.async"
local secrets = require "bytenite.secrets"
local server = require "net.server"
local timer = require "util.timer"

-- By descriptor, a watch of it and the functions that wake those who wait for it, all together.
local watches = {}

-- With libevent (network_backend = "event") a watch has no `close`.
local function close(fd)
  local handle = watches[fd].handle
  if handle.close then handle:close() else handle:setflags(false) end
  watches[fd] = nil
end

local function watch(fd)
  local wakes = {}
  local handle = server.watchfd(fd, function()
    close(fd)
    for wake in pairs(wakes) do
      wake()
    end
  end)
  watches[fd] = { handle = handle, wakes = wakes }
end

local function wait(fd, seconds)
  local suspend, wake = async.waiter(1, true)
  local task = timer.add_task(seconds, function()
    wake()
  end)
  if fd and not watches[fd] then watch(fd) end
  local wakes = fd and watches[fd].wakes or {}
  wakes[wake] = true
  suspend()
  timer.stop(task)
  wakes[wake] = nil
  if fd and watches[fd] and not next(watches[fd].wakes) then close(fd) end
end

local client = assert(secrets.new { wait = wait })

local function answer(event, result, err)
  if not result then
    module:log("error", "%s", tostring(err))
    event.response.status_code = 502
    return err.message .. "\n"
  end
  local lines = {}
  for _, secret in ipairs(result) do
    lines[#lines + 1] = ("%s/%s\n"):format(secret.secretType, secret.id)
  end
  return table.concat(lines)
end

local function list(event)
  return answer(event, client:list())
end

local function put(event, path)
  local secret_type, id = path:match("^([^/]+)/([^/]+)$")
  if not id then return 404 end
  return answer(event, client:put({ id = id, secretType = secret_type }, event.request.body))
end

local function delete(event, path)
  local secret_type, id = path:match("^([^/]+)/([^/]+)$")
  if not id then return 404 end
  return answer(event, client:delete(secret_type, id))
end

module:depends "http"
module:provides("http", {
  default_path = "/credentials",
  route = { GET = list, ["PUT /*"] = put, ["DELETE /*"] = delete },
})

function module.unload()
  client:close()
end
