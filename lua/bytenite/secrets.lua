-- A client for ByteNite's Secrets API: the module that scripts require.

local arguments = require "bytenite.secrets.arguments"
local client = require "bytenite.secrets.client"
local core = require "bytenite.secrets.core"
local record = require "bytenite.secrets.record"
local secret_string = require "bytenite.secrets.secret_string"

local secrets = {
  new = client.new,
  from_string = secret_string.from_string,
  from_file = secret_string.from_file,
  from_env = secret_string.from_env,
  from_fd = secret_string.from_fd,
  injected = secret_string.injected,
  find = record.find,
  expired = record.expired,
  expiring = record.expiring,
  expires_in = record.expires_in,
  timestamp = record.timestamp,
  validate = record.validate,
  null = core.null,
  array_mt = core.array_mt,
  _VERSION = core.version,
}

---What this build consists of.
---@return { version: string, lua: string, libcurl: string, tls: string, cjson: string }
function secrets.info(...)
  arguments.no_more("info", ...)
  local info = core.versions()
  info.version = core.version
  local jit = rawget(_G, "jit")
  info.lua = jit and jit.version or _VERSION
  return info
end

-- The default client ------------------------------------------------------------------------------

local default_client

-- Made at the first call that can make it; a failure is not remembered.
local function on_default_client(name)
  local method = client.methods[name]
  return function(...)
    if not default_client then
      local made, err = client.new()
      if not made then return nil, err end
      default_client = made
    end
    return method(default_client, ...)
  end
end

for _, name in ipairs { "authenticate", "delete", "get", "list", "put", "rotate" } do
  secrets[name] = on_default_client(name)
end

---Closes the default client; the next call makes a new one.
function secrets.close()
  if default_client then default_client:close() end
  default_client = nil
end

return secrets
