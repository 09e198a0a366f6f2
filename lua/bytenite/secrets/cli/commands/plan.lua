local desired = require "bytenite.secrets.cli.desired"
local exit = require "bytenite.secrets.cli.exit"
local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"

local plan = {
  summary = "Show what apply would change.",
  description = "Show what apply would change, and change nothing. The exit code is 8 when there "
    .. "is something. A key that the file gives cannot be compared with the stored one, so its "
    .. "secret is always something to write.",
  examples = {
    "bytenite-secrets plan secrets.json",
    "bytenite-secrets plan secrets.lua --prune 's3:test-*' --max-delete 3",
  },
}

function plan.define(command)
  desired.define(command)
  command:flag("--json", "Write JSON.")
end

function plan.run(options)
  local items = desired.items(options.file, false)
  local made = desired.plan(service.client(), items, options)
  if options.json then
    output.line(json.encode({
      actions = made.actions, changes = made.changes, counts = made.counts,
      warnings = made.warnings,
    }))
  else
    output.line(desired.words(made, terminal.STDOUT))
  end
  return made.changes and exit.FOUND or exit.OK
end

return plan
