local exit = require "bytenite.secrets.cli.exit"
local key = require "bytenite.secrets.cli.key"
local metadata = require "bytenite.secrets.cli.metadata"
local receipts = require "bytenite.secrets.cli.receipts"
local service = require "bytenite.secrets.cli.service"
local values = require "bytenite.secrets.cli.values"

local put = {
  summary = "Store a secret, or replace it.",
  writes = true,
  description = "Store a secret, or replace it. The key is asked for on a terminal, and otherwise "
    .. "read from standard input, without one newline at its end.",
  examples = {
    "bytenite-secrets put s3/my_key --access-key AKIA... --expires 90d",
    "pass show my-key | bytenite-secrets put other/my_key",
  },
}

function put.define(command)
  command:argument("secret", "Its type and id."):argname("TYPE/ID"):convert(values.address)
  metadata.define(command)
  key.define(command)
end

function put.run(options)
  local address = options.secret
  local secret = { secretType = address.secretType, id = address.id }
  metadata.apply(options, secret)
  metadata.check(secret)
  local secret_key = key.read(options)
  local client = service.client()
  secret_key = secret_key or key.ask(receipts.name(address))
  receipts.tell("stored " .. receipts.name(address), exit.check(client:put(secret, secret_key)))
end

return put
