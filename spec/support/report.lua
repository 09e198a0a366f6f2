-- How the specs report: failures as they come, and at the end the counts alone on a line.

local plain_terminal = require "busted.outputHandlers.plainTerminal"

return function(options)
  local busted = require "busted"
  local handler = plain_terminal(options)

  busted.subscribe({ "exit" }, function()
    local failed = handler.failuresCount + handler.errorsCount
    print(("%d passed, %d failed"):format(handler.successesCount, failed))
  end)

  return handler
end
