-- What the service has stored, by address.

local compare = require "bytenite.secrets.plan.compare"
local core = require "bytenite.secrets.core"
local printable = require "bytenite.secrets.printable"

---@class bytenite.secrets.Listing
---@field addresses string[] sorted
---@field secrets table<string, bytenite.secrets.Secret> by address

local listing = {}

---What tells a record from all others; its parts hold no zero byte.
---@param secret bytenite.secrets.Secret
---@return string
function listing.address(secret)
  return secret.secretType .. "\0" .. secret.id
end

-- Others cannot be written or deleted by any operation.
local function is_addressable(secret)
  local secret_type, id = secret.secretType, secret.id
  return type(secret_type) == "string" and type(id) == "string"
    and core.check_segment(secret_type) and core.check_segment(id)
end

---@param secrets bytenite.secrets.Secret[] as client:list gives them
---@return bytenite.secrets.Listing
function listing.read(secrets)
  local read = { addresses = {}, secrets = {} }
  for _, secret in ipairs(secrets) do
    local address = is_addressable(secret) and listing.address(secret)
    if address and not read.secrets[address] then
      read.addresses[#read.addresses + 1] = address
      read.secrets[address] = secret
    end
  end
  table.sort(read.addresses)
  return read
end

---What has become of a listing since, in words.
---@param before bytenite.secrets.Listing
---@param now bytenite.secrets.Listing
---@return string[] changes such as "s3/my-key is gone"
function listing.changes(before, now)
  local changes = {}
  local function add(secret, what)
    changes[#changes + 1] = printable.address(secret.secretType, secret.id) .. what
  end
  for _, address in ipairs(before.addresses) do
    local old, new = before.secrets[address], now.secrets[address]
    if not new then
      add(old, " is gone")
    elseif not compare.same(old, new) then
      add(new, " has changed")
    end
  end
  for _, address in ipairs(now.addresses) do
    if not before.secrets[address] then add(now.secrets[address], " is new") end
  end
  return changes
end

return listing
