-- Reads the command line. lua-argparse does it; help, usage and shell completion come from there.

local exit = require "bytenite.secrets.cli.exit"
local output = require "bytenite.secrets.cli.output"

local NAME = "bytenite-secrets"

local DESCRIPTION = "Keeps the credentials of cloud jobs in ByteNite's Secrets API."

local EPILOG = [[
The API key comes from BYTENITE_API_KEY, or from the file that
BYTENITE_API_KEY_FILE names.

Exit codes: 0 done, 1 other failure, 2 usage or configuration, 3 credential
refused, 4 not found, 5 rejected or conflict, 6 network, TLS or time-out,
7 failure of the service, 8 there are changes or something expires,
130 interrupted.]]

local COMPLETION_EXAMPLES = {
  "source <(bytenite-secrets completion bash)",
  "bytenite-secrets completion zsh > ~/.zsh/functions/_bytenite-secrets",
  "bytenite-secrets completion fish > \\",
  "    ~/.config/fish/completions/bytenite-secrets.fish",
}

-- What people try. Nothing that begins like this is looked at any further, so that no message
-- repeats it.
local KEY_HINT = "a key is never given on the command line, where others can read it. It is asked "
  .. "for on a terminal, or comes from standard input, --key-file PATH, --key-env NAME or "
  .. "--key-fd N. One that was given here should be replaced"
local API_KEY_HINT = "the API key or access token is never given on the command line, where others "
  .. "can read it. It comes from BYTENITE_API_KEY, BYTENITE_API_KEY_FILE or BYTENITE_ACCESS_TOKEN. "
  .. "One that was given here should be replaced"

local ATTEMPTS = {
  { "^%-k", KEY_HINT },
  { "^%-%-?key", KEY_HINT },
  { "^%-%-?secret", KEY_HINT },
  { "^%-%-?pass", KEY_HINT },
  { "^%-%-?api", API_KEY_HINT },
  { "^%-%-?access[-_]?token", API_KEY_HINT },
  { "^%-%-?token", API_KEY_HINT },
}

local function require_argparse()
  local found, argparse = pcall(require, "argparse")
  if found then return argparse end
  exit.pass_on(argparse)
  exit.fail(exit.OTHER, "lua-argparse is missing: apt-get install lua-argparse, or luarocks "
    .. "install argparse")
end

local function is_key_source(word)
  local name = word:match("^%-%-key%-(%a+)")
  return name == "file" or name == "env" or name == "fd"
end

local function refuse_keys(words)
  for _, word in ipairs(words) do
    if word == "--" then return end
    for _, attempt in ipairs(ATTEMPTS) do
      if word:lower():find(attempt[1]) and not is_key_source(word) then exit.usage(attempt[2]) end
    end
  end
end

local function epilog_of(examples)
  return ("%s:\n   %s"):format(examples[2] and "Examples" or "Example",
    table.concat(examples, "\n   "))
end

-- argparse itself would print and exit with 0 even if nothing could be written.
local function show(words)
  output.write(words)
  output.flush()
  exit.done()
end

local function add_help(command)
  command:add_help { action = function() show(command:get_help() .. "\n") end }
end

local function add_completion(root)
  local command = root:command("completion", "Output a shell completion script.",
    epilog_of(COMPLETION_EXAMPLES))
  add_help(command)
  command:argument("shell", "The shell to output a completion script for.")
    :choices { "bash", "zsh", "fish" }
    :action(function(_, _, shell) show(root["get_" .. shell .. "_complete"](root)) end)
end

---@class bytenite.secrets.cli.Parser
local Parser = {}
Parser.__index = Parser

---Reads the words of a command line. Writes help and completion itself, and ends the command then.
---@param words string[]
---@return table options values of arguments and options by name; `command` is the command's name
function Parser:parse(words)
  refuse_keys(words)
  return self.root:parse(words)
end

---@param words string[]
---@return string usage of the command that the words name, or of all
function Parser:usage(words)
  return (self.parts[words[1]] or self.root):get_usage()
end

local parser = {}

---@param commands table[] modules of cli/commands
---@return bytenite.secrets.cli.Parser
function parser.new(commands)
  local root = require_argparse()(NAME, DESCRIPTION, EPILOG)
  root:command_target("command"):help_max_width(80)
  add_help(root)
  function root.error(_, message)
    exit.usage(message)
  end
  local parts = {}
  for _, command in ipairs(commands) do
    local part = root:command(command.name, command.description or command.summary,
      epilog_of(command.examples)):summary(command.summary)
    add_help(part)
    command.define(part)
    parts[command.name] = part
  end
  add_completion(root)
  return setmetatable({ root = root, parts = parts }, Parser)
end

return parser
