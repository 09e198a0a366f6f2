local exit = require "bytenite.secrets.cli.exit"
local progress = require "bytenite.secrets.cli.progress"
local receipts = require "bytenite.secrets.cli.receipts"
local reports = require "bytenite.secrets.cli.reports"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"
local values = require "bytenite.secrets.cli.values"

local delete = {
  summary = "Remove secrets.",
  writes = true,
  description = "Remove secrets. Before several are removed you are asked.",
  examples = {
    "bytenite-secrets delete s3/my_key",
    "bytenite-secrets delete --yes --missing-ok s3/my_key other/my_token",
  },
}

function delete.define(command)
  command:argument("secrets", "Types and ids."):args("+"):argname("TYPE/ID")
    :convert(values.address)
  command:flag("--yes", "Do not ask.")
  command:flag("--missing-ok", "It is all right when there is no such secret.")
end

local function delete_one(client, address, missing_ok)
  local receipt = exit.check(client:delete(address.secretType, address.id,
    { missing_ok = missing_ok }))
  receipts.tell("deleted " .. receipts.name(address), receipt)
end

local function ask(addresses)
  local names = {}
  for position, address in ipairs(addresses) do
    names[position] = receipts.name(address)
  end
  terminal.confirm(("delete %s?"):format(table.concat(names, ", ")))
end

function delete.run(options)
  local several = #options.secrets > 1
  if several and not options.yes then terminal.check_confirms() end
  local client = service.client()
  if not several then return delete_one(client, options.secrets[1], options.missing_ok) end
  if not options.yes then ask(options.secrets) end
  local report = exit.check(client:delete_all(options.secrets,
    { on_progress = progress(), missing_ok = options.missing_ok }))
  return reports.tell(report, "the same command again tries what is left")
end

return delete
