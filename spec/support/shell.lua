-- Runs a command of the shell, without what is preloaded into the specs: a sanitizer would watch
-- the command as well.
--
--   local output, works = shell(command, input?)   output is empty when there is an input

local process = require "process"

return function(command, input)
  local preload = os.getenv("LD_PRELOAD")
  process.setenv("LD_PRELOAD")
  local pipe = assert(io.popen(command, input and "w" or "r"))
  process.setenv("LD_PRELOAD", preload)
  local output = ""
  if input then
    pipe:write(input)
  else
    output = pipe:read("*a")
  end
  return output, pipe:close()
end
