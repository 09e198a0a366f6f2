local desired = require "bytenite.secrets.cli.desired"
local exit = require "bytenite.secrets.cli.exit"
local progress = require "bytenite.secrets.cli.progress"
local reports = require "bytenite.secrets.cli.reports"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"

local apply = {
  summary = "Store what a file describes.",
  writes = true,
  description = "Store what a file describes: show the plan, ask, and write. What is interrupted "
    .. "or fails in part can be run again.",
  examples = { "bytenite-secrets apply secrets.json --yes" },
}

function apply.define(command)
  desired.define(command)
  command:flag("--yes", "Do not ask.")
end

function apply.run(options)
  if not options.yes then terminal.check_confirms() end
  local items = desired.items(options.file, true)
  local client = service.client()
  local plan = desired.plan(client, items, options)
  io.stderr:write(desired.words(plan, terminal.STDERR), "\n")
  if not plan.changes then return exit.OK end
  if not options.yes then terminal.confirm("go on?") end
  local report = exit.check(client:apply(plan, { on_progress = progress() }))
  return reports.tell(report, "the same command again tries what is left")
end

return apply
