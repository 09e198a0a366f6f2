-- Secrets that the platform would put into the same environment variable of a job.

local printable = require "bytenite.secrets.printable"
local record = require "bytenite.secrets.record"

local function shown(secret)
  return printable.address(secret.secretType, secret.id)
end

-- Adds a warning for each secret that one before has a variable of.
local function compare_with(owners, secret, warnings)
  local said
  for _, name in ipairs { record.variables(secret.secretType, secret.id) } do
    local owner = owners[name]
    if owner and owner ~= said then
      said = owner
      warnings[#warnings + 1] = ("%s: a job would see it as %s, like %s"):format(shown(secret),
        printable.clean(name), shown(owner))
    end
  end
end

local function take(owners, secret)
  for _, name in ipairs { record.variables(secret.secretType, secret.id) } do
    owners[name] = owners[name] or secret
  end
end

---@param desired bytenite.secrets.Secret[]
---@param others bytenite.secrets.Secret[] that stay as they are; among themselves they are not
--- compared
---@return string[] warnings
local function collisions(desired, others)
  local owners, warnings = {}, {}
  for _, secret in ipairs(desired) do
    compare_with(owners, secret, warnings)
    take(owners, secret)
  end
  for _, secret in ipairs(others) do
    compare_with(owners, secret, warnings)
  end
  return warnings
end

return collisions
