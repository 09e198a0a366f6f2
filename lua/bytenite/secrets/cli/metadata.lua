-- The options of `put` and `rotate` that say what a record has besides its key.

local exit = require "bytenite.secrets.cli.exit"
local secrets = require "bytenite.secrets"
local terminal = require "bytenite.secrets.cli.terminal"
local values = require "bytenite.secrets.cli.values"

local metadata = {}

---Adds the options to a command.
---@param command table
function metadata.define(command)
  command:option("--access-key", "The public half of the credential."):argname("K")
  command:option("--name", "A name for people."):argname("N")
  command:option("--expires", "When it expires: a length of time from now such as 90d, a date, or "
    .. "an RFC 3339 timestamp."):argname("TIME"):convert(values.moment)
  command:option("--param", "Any further property; may be given again."):argname("NAME=VALUE")
    :target("params"):count("*"):convert(values.param)
end

---Puts what was given into a record.
---@param options table
---@param secret bytenite.secrets.Secret
---@return boolean given whether there was something
function metadata.apply(options, secret)
  secret.accessKey = options.access_key or secret.accessKey
  secret.name = options.name or secret.name
  secret.expiresAt = options.expires or secret.expiresAt
  local given = {}
  for _, param in ipairs(options.params) do
    if given[param.name] then exit.usage("--param: a name is given twice") end
    given[param.name] = true
    secret.params = secret.params or {}
    secret.params[param.name] = param.value
  end
  return (options.access_key or options.name or options.expires or options.params[1]) ~= nil
end

---Ends the command when a record cannot be stored; says what is odd about it.
---@param secret bytenite.secrets.Secret
function metadata.check(secret)
  local ok, result = secrets.validate(secret)
  if not ok then exit.usage(exit.message_of(result)) end
  for _, warning in ipairs(result) do
    terminal.note("warning: " .. warning)
  end
end

return metadata
