local expiry = require "bytenite.secrets.cli.expiry"
local exit = require "bytenite.secrets.cli.exit"
local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local secrets = require "bytenite.secrets"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"
local values = require "bytenite.secrets.cli.values"
local write_table = require "bytenite.secrets.cli.table"

local COLUMNS = {
  { title = "TYPE" }, { title = "ID" }, { title = "NAME", lesser = true },
  { title = "ACCESS KEY", lesser = true }, { title = "EXPIRES" },
}

local list = {
  summary = "List the stored secrets; their keys cannot be read.",
  examples = {
    "bytenite-secrets list --type s3",
    "bytenite-secrets list --expiring 14d --json",
  },
}

function list.define(command)
  command:option("--type", "Only those of this type."):argname("TYPE")
    :convert(values.secret_type)
  command:option("--expiring", "Only those that expire within this time, such as 14d, or have "
    .. "expired. The exit code is 8 when there are any."):argname("TIME"):convert(values.duration)
  command:flag("--json", "Write JSON.")
end

-- Whatever the service says they are.
local function address_of(secret)
  return json.words(secret.secretType) .. "/" .. json.words(secret.id)
end

local function by_address(a, b)
  return address_of(a) < address_of(b)
end

-- What --expiring cannot judge is better known.
local function warn_of_malformed(found)
  for _, secret in ipairs(found) do
    local _, err = secrets.expires_in(secret)
    if err then
      terminal.note(("warning: %s: its expiresAt is not a time")
        :format(text.clean(address_of(secret))))
    end
  end
end

local function row_of(secret, now)
  local words, colour, date = expiry.words(secret, now)
  local row = { colour = colour }
  for position, name in ipairs { "secretType", "id", "name", "accessKey" } do
    row[position] = json.words(secret[name])
  end
  row[#row + 1] = date and date .. " " .. words or words
  return row
end

local function write(found)
  local rows, now = {}, os.time()
  for position, secret in ipairs(found) do
    rows[position] = row_of(secret, now)
  end
  if #rows > 0 then write_table(COLUMNS, rows) end
end

function list.run(options)
  local filter = options.type and { secretType = options.type } or nil
  local found = exit.check(service.client():list(filter))
  table.sort(found, by_address)
  if options.expiring then
    warn_of_malformed(found)
    found = secrets.expiring(found, options.expiring)
  end
  if options.json then
    output.line(json.encode({ secrets = json.array(found) }))
  elseif #found == 0 then
    terminal.remark(options.expiring and "nothing expires in this time" or "nothing is stored")
  else
    write(found)
  end
  if options.expiring and #found > 0 then return exit.FOUND end
end

return list
