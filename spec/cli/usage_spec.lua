-- Help, usage, shell completion, and what is missing.

local command = require "command"
local environment = require "environment"
local secrets = require "bytenite.secrets"
local shell = require "shell"
local terminals = require "terminal"

local COMMANDS = {
  "list", "get", "put", "rotate", "delete", "plan", "apply", "env", "doctor", "emulator",
  "version",
}

local function set(list)
  local found = {}
  for word in list:gmatch("%S+") do
    found[word] = true
  end
  return found
end

describe("bytenite-secrets", function()
  before_each(environment.clear)

  after_each(function()
    environment.restore()
    command.clean_up()
  end)

  it("--help lists the commands and exit codes", function()
    for _, option in ipairs { "-h", "--help" } do
      local result = command.run { option }
      assert.are.equal(0, result.status)
      assert.are.equal("", result.stderr)
      for _, name in ipairs(COMMANDS) do
        assert.matches("\n   " .. name .. "  ", result.stdout)
      end
      assert.matches("Exit codes: 0 done", result.stdout)
    end
  end)

  it("--help of each command describes its options and has an example", function()
    local names = { "completion" }
    for _, name in ipairs(COMMANDS) do
      names[#names + 1] = name
    end
    for _, name in ipairs(names) do
      local result = command.run { name, "--help" }
      assert.are.equal(0, result.status)
      assert.are.equal("", result.stderr)
      assert.matches("^Usage: bytenite%-secrets " .. name, result.stdout)
      local examples = result.stdout:match("\nExamples?:\n(.*)$")
      assert.matches("bytenite%-secrets " .. name, examples)
      for line in result.stdout:gmatch("[^\n]+") do
        assert.is_true(#line <= 80, line)
      end
    end
  end)

  it("--help has examples that can be typed without a warning", function()
    for _, name in ipairs(COMMANDS) do
      local examples = command.run({ name, "--help" }).stdout:match("\nExamples?:\n(.*)$")
      for secret_type, id in examples:gmatch(" (%w+)/([%w_-]+)") do
        assert.are.same({ true, {} }, { secrets.validate { secretType = secret_type, id = id } })
      end
    end
  end)

  it("without a command, or with one that there is not, shows its usage", function()
    for _, words in ipairs { {}, { "lst" }, { "--lst" }, { "help" }, { "" } } do
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.are.equal("", result.stdout)
      assert.matches("^Usage: bytenite%-secrets %[%-h%] <command>", result.stderr)
    end
    assert.matches("Did you mean 'list'", command.run({ "lst" }).stderr)
  end)

  it("repeats a bad word without what disturbs a terminal", function()
    local result = command.run { "\27[2J\226\128\174" }
    assert.are.equal(2, result.status)
    assert.matches("unknown command '\\x1B%[2J\\xE2\\x80\\xAE'", result.stderr)
  end)

  it("without a credential ends with 2 and says what to do", function()
    local result = command.run { "list" }
    assert.are.equal(2, result.status)
    assert.are.equal("", result.stdout)
    assert.matches("no credential is set", result.stderr)
    assert.matches("Next: set BYTENITE_API_KEY or BYTENITE_API_KEY_FILE\n$", result.stderr)
  end)

  it("with an API key in a file that others can read says what to do", function()
    local path = command.file("api_key", "MARKER")
    os.execute("chmod 644 " .. path)
    environment.set { BYTENITE_API_KEY_FILE = path }
    local result = command.run { "list" }
    assert.are.equal(2, result.status)
    assert.matches("can be read by others %(mode 0644%)\n  Next: chmod 600\n$", result.stderr)
  end)

  it("without lua-argparse says what to install", function()
    local script = [[
      package.preload.argparse = function() error "missing" end
      require("bytenite.secrets.cli").main { "list" }
    ]]
    local output = shell(("%s -e '%s' 2>&1; echo $?"):format(command.interpreter, script))
    assert.are.equal("bytenite-secrets: lua-argparse is missing: apt-get install lua-argparse, or "
      .. "luarocks install argparse\n1\n", output)
  end)

  it("is no part of what the module requires", function()
    local script = [[
      require "bytenite.secrets"
      for name in pairs(package.loaded) do
        assert(not (name .. "."):find "%.cli%." and name ~= "argparse")
      end
    ]]
    assert.are.equal("0\n", (shell(("%s -e '%s'; echo $?"):format(command.interpreter, script))))
  end)
end)

describe("Shell completion", function()
  before_each(function()
    environment.set { HOME = "/nonexistent" }
  end)

  after_each(function()
    environment.restore()
    command.clean_up()
  end)

  local function script_of(name)
    local result = command.run { "completion", name }
    assert.are.equal(0, result.status)
    assert.are.equal("", result.stderr)
    return command.file("completion", result.stdout)
  end

  it("of bash knows commands and options", function()
    local path = script_of "bash"
    local function complete(words, current)
      return set(shell(([[bash -c 'source "$0"; COMP_WORDS=(bytenite-secrets %s "%s")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); $(complete -p bytenite-secrets |
        sed "s/.*-F \([^ ]*\).*/\1/"); echo "${COMPREPLY[@]}"' %s 2>&1]])
        :format(words, current, path)))
    end
    local commands = complete("", "")
    for _, name in ipairs(COMMANDS) do
      assert.is_true(commands[name], name)
    end
    assert.are.same({ delete = true }, complete("", "de"))
    assert.are.same({ ["--key-file"] = true, ["--key-env"] = true, ["--key-fd"] = true },
      complete("put", "--k"))
  end)

  it("of zsh knows commands and options", function()
    local path = script_of "zsh"
    local place = path:match("^(.*)/")
    os.rename(path, place .. "/_bytenite-secrets")
    local terminal = terminals.start("zsh", "-fi")
    terminal:type(("fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D; echo 're''ady'\n")
      :format(place))
    terminal:expect "ready"
    terminal:type "bytenite-secrets rot\t"
    terminal:expect "rotate"
    terminal:type "s3/a --key-fi\t"
    terminal:expect "--key-file"
    terminal:type "\21exit\n"
    terminal:finish()
  end)

  it("of fish knows commands and options", function()
    local path = script_of "fish"
    local function complete(line)
      return set((shell(("fish -N -c 'source %s; complete -C \"%s\"' 2>&1 | cut -f 1")
        :format(path, line))))
    end
    local commands = complete "bytenite-secrets "
    for _, name in ipairs(COMMANDS) do
      assert.is_true(commands[name], name)
    end
    assert.is_true(complete("bytenite-secrets put --key-")["--key-file"])
  end)

  it("of another shell there is none", function()
    local result = command.run { "completion", "sh" }
    assert.are.equal(2, result.status)
    assert.matches("must be one of 'bash', 'zsh', 'fish'", result.stderr)
  end)
end)
