local exit = require "bytenite.secrets.cli.exit"
local key = require "bytenite.secrets.cli.key"
local metadata = require "bytenite.secrets.cli.metadata"
local record = require "bytenite.secrets.record"
local receipts = require "bytenite.secrets.cli.receipts"
local service = require "bytenite.secrets.cli.service"
local values = require "bytenite.secrets.cli.values"

local rotate = {
  summary = "Give a stored secret a new key.",
  writes = true,
  description = "Give a stored secret a new key, which is read as by put. All else stays, but for "
    .. "what the options change.",
  examples = {
    "bytenite-secrets rotate s3/my_key --access-key AKIA... --expires 90d",
    "openssl rand -hex 32 | bytenite-secrets rotate other/my_token",
  },
}

function rotate.define(command)
  command:argument("secret", "Its type and id."):argname("TYPE/ID"):convert(values.address)
  metadata.define(command)
  key.define(command)
end

-- As client:rotate, with changes to the record.
local function replace(client, options, secret_key)
  local secret = exit.check(client:get(options.secret.secretType, options.secret.id))
  local problem = record.problem(secret)
  if problem then exit.fail(exit.USAGE, "the stored record cannot be kept: " .. problem) end
  metadata.apply(options, secret)
  return exit.check(client:put(secret, secret_key))
end

function rotate.run(options)
  local address = options.secret
  local changed = { secretType = address.secretType, id = address.id }
  local changes = metadata.apply(options, changed)
  metadata.check(changed)
  local secret_key = key.read(options)
  local client = service.client()
  secret_key = secret_key or key.ask(receipts.name(address))
  local receipt
  if changes then
    receipt = replace(client, options, secret_key)
  else
    receipt = exit.check(client:rotate(address.secretType, address.id, secret_key))
  end
  receipts.tell("rotated " .. receipts.name(address), receipt)
end

return rotate
