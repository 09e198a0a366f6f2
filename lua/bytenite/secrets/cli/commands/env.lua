local exit = require "bytenite.secrets.cli.exit"
local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local record = require "bytenite.secrets.record"
local secrets = require "bytenite.secrets"
local service = require "bytenite.secrets.cli.service"
local write_table = require "bytenite.secrets.cli.table"

local COLUMNS =
  { { title = "ID" }, { title = "VARIABLE" }, { title = "HOLDS" }, { title = "STATE" } }

local HOLDS = { accessKey = "access key", secretKey = "secret key" }

local env = {
  summary = "Show the environment variables as which a job sees its secrets.",
  description = "Show the environment variables as which a job sees its secrets, and which of "
    .. "them are set here; never what they hold. With ids nothing is sent, and the exit code is 4 "
    .. "when one of them has no key here. Without, the stored secrets are listed.",
  examples = { "bytenite-secrets env my_key" },
}

function env.define(command)
  command:argument("ids", "Ids of secrets."):args("*"):argname("ID")
  command:flag("--json", "Write JSON.")
end

-- The value stays out of Lua's strings.
local function is_set(name)
  local value, err = secrets.from_env(name)
  if value then
    value:wipe()
  elseif err.kind == "memory" then -- the variable may be set all the same
    exit.check(nil, err)
  end
  return value ~= nil
end

local function variables_of(secret_type, id)
  local key_name, access_name = record.variables(secret_type, id)
  local variables = { { name = key_name, holds = "secretKey", set = is_set(key_name) } }
  if access_name then
    table.insert(variables, 1, { name = access_name, holds = "accessKey",
      set = is_set(access_name) })
  end
  return variables
end

local function has_key(variables)
  return variables[#variables].set
end

-- Without its type, a secret may have either form: the one whose key is there is shown.
local function of_id(id)
  local ok, err = secrets.validate({ secretType = "other", id = id })
  if not ok then exit.usage(exit.message_of(err)) end
  local variables, alone = variables_of(nil, id), variables_of("other", id)
  if has_key(alone) and not has_key(variables) then variables = alone end
  return { id = id, variables = variables }
end

local function of_record(secret)
  return { id = secret.id, secretType = secret.secretType,
    variables = variables_of(secret.secretType, json.words(secret.id)) }
end

local function write(found)
  local rows = {}
  for _, entry in ipairs(found) do
    for _, variable in ipairs(entry.variables) do
      rows[#rows + 1] = { json.words(entry.id), variable.name, HOLDS[variable.holds],
        variable.set and "set" or "not set" }
    end
  end
  if #rows > 0 then write_table(COLUMNS, rows) end
end

function env.run(options)
  local found, code = {}, exit.OK
  for position, id in ipairs(options.ids) do
    found[position] = of_id(id)
    if not has_key(found[position].variables) then code = exit.NOT_FOUND end
  end
  if #options.ids == 0 then
    for position, secret in ipairs(exit.check(service.client():list())) do
      found[position] = of_record(secret)
    end
  end
  if options.json then
    output.line(json.encode({ secrets = json.array(found) }))
  else
    write(found)
  end
  return code
end

return env
