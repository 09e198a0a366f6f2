-- What is told of many writes: the failures, one by one, and how many there were.

local exit = require "bytenite.secrets.cli.exit"
local terminal = require "bytenite.secrets.cli.terminal"

local reports = {}

local function line_of(err)
  if not err.ambiguous then return err.message end
  return err.message .. ". It may have been applied all the same"
end

---@param report bytenite.secrets.Report
---@param again string what to do about failures
---@return integer code that of the first failure
function reports.tell(report, again)
  terminal.status(nil)
  local code = exit.OK
  for _, result in ipairs(report.results) do
    if not result.ok then
      terminal.note(line_of(result.err))
      if code == exit.OK then code = exit.code_of(result.err) end
    end
  end
  local counts = ("%d done, %d failed"):format(report.done, report.failed)
  if report.failed > 0 then
    terminal.note(counts .. "; " .. again)
  else
    terminal.remark(counts)
  end
  return code
end

return reports
