-- Where the key of `put` and `rotate` comes from. On its way it is a SecretString, never a Lua
-- string.

local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"
local exit = require "bytenite.secrets.cli.exit"
local secrets = require "bytenite.secrets"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"
local values = require "bytenite.secrets.cli.values"

local FILE_HINT = "\n  Next: chmod 600, or let the key come through standard input: < FILE"

-- A word that names nothing may be the key itself, in the wrong place, and is not repeated.
local NAMES_NOTHING = {
  ["does not exist"] = true, ["cannot be opened"] = true, ["is not set"] = true,
}

local key = {}

---Adds the options to a command.
---@param command table
function key.define(command)
  command:mutex(
    command:option("--key-file", "Read the key from a file, as it is; others must not be able to "
      .. "read the file."):argname("PATH"),
    command:option("--key-env", "Read the key from an environment variable."):argname("NAME"),
    command:option("--key-fd", "Read the key from a file descriptor to its end, as it is.")
      :argname("N"):convert(values.whole(0, 65535)))
end

local function code_of(problem)
  return exit.code_of({ kind = errors.kind_of_problem(problem, "config") })
end

local function named(option, word, secret, problem)
  if secret then return secret end
  local subject = NAMES_NOTHING[problem] and "what " .. option .. " names" or text.clean(word)
  if problem:find("read by others", 1, true) then problem = problem .. FILE_HINT end
  exit.fail(code_of(problem), subject .. " " .. problem)
end

-- A line of text, of which the end of the line is no part.
local function from_stdin()
  terminal.wait_for_input(terminal.STDIN)
  local secret, problem = core.secret_from_fd(terminal.STDIN, true)
  if secret then return secret end
  exit.fail(code_of(problem), "the key on standard input " .. problem)
end

local function warn_of_newline(secret)
  if core.has_stray_newline(secret) then
    terminal.note("warning: the key begins or ends with a newline, which is kept")
  end
  return secret
end

---The key from where the options say, else from standard input unless that is a terminal. To be
---read first: nothing else may have taken the number of a descriptor that is not open.
---@param options table
---@return bytenite.secrets.SecretString? key nil when it has to be asked for
function key.read(options)
  if options.key_file then
    return warn_of_newline(named("--key-file", options.key_file,
      core.secret_from_file(options.key_file)))
  end
  if options.key_env then
    return warn_of_newline(named("--key-env", options.key_env,
      core.secret_from_env(options.key_env, true)))
  end
  if options.key_fd then
    if terminal.is(options.key_fd) then
      exit.usage("--key-fd names a terminal, which would show the key; without it the key is asked "
        .. "for, and not shown")
    end
    terminal.wait_for_input(options.key_fd)
    return warn_of_newline(exit.check(secrets.from_fd(options.key_fd)))
  end
  if not terminal.is(terminal.STDIN) then return from_stdin() end
end

---The key from whoever sits at the terminal.
---@param name string what it is the key of
---@return bytenite.secrets.SecretString
function key.ask(name)
  return exit.check(secrets.from_prompt(("Key of %s (not shown): "):format(name)))
end

return key
