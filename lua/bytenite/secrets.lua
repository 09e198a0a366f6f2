-- A client for ByteNite's Secrets API: the module that scripts require.

local core = require "bytenite.secrets.native" "bytenite.secrets.core" -- before what needs it

local arguments = require "bytenite.secrets.arguments"
local client = require "bytenite.secrets.client"
local info = require "bytenite.secrets.info"
local record = require "bytenite.secrets.record"
local secret_string = require "bytenite.secrets.secret_string"

---@class bytenite.secrets
---@field null lightuserdata JSON's null, the same as cjson.null
---@field array_mt table metatable that makes an empty table within params a JSON array
---@field _VERSION string
local secrets = {
  new = client.new,
  from_string = secret_string.from_string,
  from_file = secret_string.from_file,
  from_env = secret_string.from_env,
  from_fd = secret_string.from_fd,
  from_prompt = secret_string.from_prompt,
  injected = secret_string.injected,
  find = record.find,
  expired = record.expired,
  expiring = record.expiring,
  expires_in = record.expires_in,
  timestamp = record.timestamp,
  validate = record.validate,
  info = info.read,
  null = core.null,
  array_mt = core.array_mt,
  _VERSION = core.version,
}

-- The default client ------------------------------------------------------------------------------

-- Made of the environment at the first call that can make it; a failure is returned and not
-- remembered.
local default_client

local function on_default_client(method, ...)
  if default_client then return method(default_client, ...) end
  local made, err = client.new()
  default_client = made
  return method(made or client.impossible(err), ...)
end

---As client:list.
---@param filter { secretType: string? }?
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Secret[]?
---@return bytenite.secrets.Error? err
function secrets.list(filter, call, ...)
  return on_default_client(client.methods.list, filter, call, ...)
end

---As client:get.
---@param secretType string
---@param id string
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Secret?
---@return bytenite.secrets.Error? err
function secrets.get(secretType, id, call, ...)
  return on_default_client(client.methods.get, secretType, id, call, ...)
end

---As client:put.
---@param secret bytenite.secrets.Secret
---@param secretKey bytenite.secrets.Credential
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Receipt?
---@return bytenite.secrets.Error? err
function secrets.put(secret, secretKey, call, ...)
  return on_default_client(client.methods.put, secret, secretKey, call, ...)
end

---As client:delete.
---@param secretType string
---@param id string
---@param call bytenite.secrets.DeleteLimits?
---@return bytenite.secrets.Receipt?
---@return bytenite.secrets.Error? err
function secrets.delete(secretType, id, call, ...)
  return on_default_client(client.methods.delete, secretType, id, call, ...)
end

---As client:rotate.
---@param secretType string
---@param id string
---@param secretKey bytenite.secrets.Credential
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Receipt?
---@return bytenite.secrets.Error? err
function secrets.rotate(secretType, id, secretKey, call, ...)
  return on_default_client(client.methods.rotate, secretType, id, secretKey, call, ...)
end

---As client:put_all.
---@param items bytenite.secrets.Item[]|fun(): bytenite.secrets.Item?
---@param options bytenite.secrets.BulkOptions?
---@return bytenite.secrets.Report?
---@return bytenite.secrets.Error? err
function secrets.put_all(items, options, ...)
  return on_default_client(client.methods.put_all, items, options, ...)
end

---As client:delete_all.
---@param refs bytenite.secrets.Ref[]|fun(): bytenite.secrets.Ref?
---@param options bytenite.secrets.DeleteBulkOptions?
---@return bytenite.secrets.Report?
---@return bytenite.secrets.Error? err
function secrets.delete_all(refs, options, ...)
  return on_default_client(client.methods.delete_all, refs, options, ...)
end

---As client:plan.
---@param desired bytenite.secrets.DesiredItem[]|fun(): bytenite.secrets.DesiredItem?
---@param options bytenite.secrets.PlanOptions?
---@return bytenite.secrets.Plan?
---@return bytenite.secrets.Error? err
function secrets.plan(desired, options, ...)
  return on_default_client(client.methods.plan, desired, options, ...)
end

---As client:apply.
---@param made bytenite.secrets.Plan
---@param options bytenite.secrets.BulkOptions?
---@return bytenite.secrets.Report?
---@return bytenite.secrets.Error? err
function secrets.apply(made, options, ...)
  return on_default_client(client.methods.apply, made, options, ...)
end

---As client:authenticate.
---@param call bytenite.secrets.Limits?
---@return { expiresIn: integer, scope: string? }?
---@return bytenite.secrets.Error? err
function secrets.authenticate(call, ...)
  return on_default_client(client.methods.authenticate, call, ...)
end

---Closes the default client; the next call makes a new one.
function secrets.close(...)
  arguments.no_more("close", ...)
  if default_client then default_client:close() end
  default_client = nil
end

return secrets
