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

local function interruption(command)
  local message = "interrupted"
  if command and command.writes and service.is_awaited() then
    message = message .. "; what was under way may have been applied all the same"
  end
  return { code = exit.INTERRUPTED, message = message }
end

---Runs the command and ends the process.
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

  local function ending_of(raised)
    if exit.is_ending(raised) then return raised end
    if exit.is_interrupt(raised) then return interruption(command) end
    local trace = debug.traceback(tostring(raised), 2):gsub("\t", "  ")
    return { code = exit.OTHER, message = trace }
  end

  local ok, result = xpcall(run, ending_of)
  if not ok then
    local ending = result
    terminal.status(nil)
    if ending.usage then io.stderr:write(reader:usage(words), "\n\n") end
    if ending.message then terminal.note(ending.message) end
    result = ending.code
  end
  os.exit(result, true)
end

return cli
