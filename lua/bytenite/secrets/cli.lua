-- The command `bytenite-secrets`: reads the command line, runs one of cli/commands, and ends the
-- process with its exit code.

local exit = require "bytenite.secrets.cli.exit"
local output = require "bytenite.secrets.cli.output"
local parser = require "bytenite.secrets.cli.parser"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"

local NAMES = {
  "list", "get", "put", "rotate", "delete", "plan", "apply", "env", "doctor", "emulator",
  "version",
}

local cli = {}

local function load_commands()
  local commands = {}
  for position, name in ipairs(NAMES) do
    local command = require("bytenite.secrets.cli.commands." .. name)
    command.name = name
    commands[position], commands[name] = command, command
  end
  return commands
end

local function broken_off(code, message, command)
  if command and command.writes and service.is_awaited() then
    message = message .. "; what was under way may have been applied all the same"
  end
  return exit.ending(code, message)
end

-- The message handler: it runs while the stack still shows where the error was raised. Lua does not
-- call it for memory errors, and it can fail itself, so that any value may come out of xpcall.
local function add_trace(raised)
  if exit.is_ending(raised) or exit.is_interrupt(raised) or exit.is_out_of_memory(raised) then
    return raised
  end
  return (debug.traceback(tostring(raised), 2):gsub("\t", "  "))
end

-- Any value but an Ending ends the command as a failure.
local function ending_of(raised, command)
  if exit.is_ending(raised) then return raised end
  if exit.is_interrupt(raised) then
    return broken_off(exit.INTERRUPTED, "interrupted", command)
  elseif exit.is_out_of_memory(raised) then
    return broken_off(exit.OTHER, "not enough memory", command)
  end
  return exit.ending(exit.OTHER, tostring(raised))
end

---Runs the command and ends the process. It raises an error only if it cannot report how the
---command ended: no memory is left for that, or Ctrl-C comes meanwhile.
---@param words string[] of the command line
function cli.main(words)
  local reader, command

  local function run()
    terminal.guard_streams()
    local commands = load_commands()
    reader = parser.new(commands)
    local options = reader:parse(words)
    command = commands[options.command]
    local code = command.run(options)
    output.flush()
    return code or exit.OK
  end

  local ok, result = xpcall(run, add_trace)
  if ok then os.exit(result, true) end
  local ending = ending_of(result, command)
  terminal.status(nil)
  if ending.usage then io.stderr:write(reader:usage(words), "\n\n") end
  if ending.message then terminal.note(ending.message) end
  os.exit(ending.code, true)
end

return cli
