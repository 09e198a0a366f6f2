-- How the command ends when something is raised that no part of it has foreseen: never with 0, and
-- never silently.

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local shell = require "shell"

local OUT_OF_MEMORY = "bytenite-secrets: not enough memory\n"

describe("F1: the command", function()
  before_each(function()
    environment.clear()
    -- A port on which nothing listens.
    environment.set { BYTENITE_BASE_URL = "http://127.0.0.1:1", BYTENITE_API_KEY = "key",
      BYTENITE_RETRIES = "0" }
  end)

  after_each(function()
    environment.restore()
    command.clean_up()
  end)

  -- Runs the command after a Lua script in the same process.
  local function run_after(script, words)
    environment.set { LUA_INIT = script }
    local result = command.run(words)
    environment.set { LUA_INIT = false }
    return result
  end

  local function assert_ends(status, message, result)
    assert.are.same({ status, "", message }, { result.status, result.stdout, result.stderr })
  end

  local PEAK = [[
    local exit = os.exit
    os.exit = function(...)
      for line in io.lines "/proc/self/status" do io.stderr:write(line, "\n") end
      exit(...)
    end
  ]]

  it("ends with 1 and a line when FILE is larger than the memory that it may have", function()
    if environment.is_watched() then return pending "a sanitizer takes memory of its own" end
    local small = command.file("small.json", '{"secrets":[]}')
    local peak = run_after(PEAK, { "apply", small, "--yes" }).stderr:match("VmPeak:%s+(%d+) kB")
    local large = command.file("large.json", ('{"secrets":[{"id":"a","secretType":"s3",'
      .. '"params":{"x":"%s"}}]}'):format(("x"):rep(24 * 1024 * 1024)))
    assert.are.equal(OUT_OF_MEMORY .. "1\n", (shell(
      ("ulimit -v %d; %s apply %s --yes 2>&1; echo $?"):format(peak + 16 * 1024, command.program,
        large))))
  end)

  describe("ends with 1 and says something after", function()
    local RAISED = {
      ["a string"] = "error 'x'",
      ["nil"] = "error()",
      ["a number"] = "error(0)",
      ["a boolean"] = "error(true)",
      ["a function"] = "error(print)",
      ["a table"] = "error {}",
      ["a table that looks like an ending"] = "error { code = 0 }",
      ["a table that cannot be indexed"] = "error(setmetatable({}, { __index = error }))",
      ["a table that cannot be printed"] = "error(setmetatable({}, { __tostring = error }))",
      ["a table that is printed as no string"] =
        "error(setmetatable({}, { __tostring = function() end }))",
      ["an ending without a code"] = "require('bytenite.secrets.cli.exit').fail(nil, 'x')",
      ["nil in a coroutine"] = "coroutine.wrap(function() error() end)()",
      ["a stack that is too deep"] = "local function f() return 1 + f() end f()",
      ["an error while an error is handled"] = "debug.traceback = error error 'x'",
      ["nil while an error is handled"] =
        "debug.traceback = function() error() end error 'x'",
      ["no memory while an error is handled"] =
        "debug.traceback = function() error('not enough memory', 0) end error 'x'",
    }
    local VERSION = [[
      package.preload["bytenite.secrets.cli.commands.version"] = function()
        local version = { summary = "", examples = {}, define = function() end }
        function version.run() %s end
        return version
      end
    ]]

    for name, raise in pairs(RAISED) do
      it(name, function()
        local result = run_after(VERSION:format(raise), { "version" })
        assert.are.equal(1, result.status, result.stderr)
        assert.matches("^bytenite%-secrets: .", result.stderr)
      end)
    end
  end)

  it("ends with 130 when Ctrl-C comes while it says how it ended", function()
    for _, words in ipairs { { "list" }, { "list", "--no-such-option" } } do
      assert_ends(130, "bytenite-secrets: interrupted\n", run_after([[
        local process = require "process"
        local files = getmetatable(io.stderr).__index
        local write = files.write
        function files.write(file, ...)
          if file == io.stderr then
            files.write = write
            process.kill(process.pid(), 2)
          end
          return write(file, ...)
        end
      ]], words))
    end
  end)

  it("does not let a Lua FILE go on as if nothing were missing", function()
    for _, code in ipairs { "pcall(math.fmod) return { secrets = {} }", "math.fmod()" } do
      local path = command.file("plan.lua", code)
      assert_ends(1, OUT_OF_MEMORY, run_after(
        "math.fmod = function() error('not enough memory', 0) end", { "plan", path }))
    end
    local path = command.file("plan.lua", "return { secrets = {} }")
    assert_ends(1, OUT_OF_MEMORY, run_after([[
      for _, name in ipairs { "load", "loadstring" } do
        _G[name] = function() return nil, "not enough memory" end
      end
    ]], { "plan", path }))
  end)

  it("says that a write under way may have been applied when memory runs out", function()
    if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then return pending "no option wait" end
    local emulator = assert(emulators.start())
    finally(function() emulator:stop() end)
    emulator:fail { op = "delete", delay = 20 }
    environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
    assert_ends(1, "bytenite-secrets: not enough memory; what was under way may have been applied "
      .. "all the same\n", run_after([[
        local core = require "bytenite.secrets.core"
        local ends = core.monotonic() + 1
        local poll = core.poll
        function core.poll(...)
          if core.monotonic() > ends then error("not enough memory", 0) end
          return poll(...)
        end
      ]], { "delete", "s3/a" }))
  end)

  it("does not take a lack of memory for a missing lua-argparse", function()
    assert_ends(1, OUT_OF_MEMORY, run_after(
      "package.preload.argparse = function() error('not enough memory', 0) end", { "version" }))
  end)

  it("does not take a lack of memory for a key that is not there", function()
    local SHORT = [[
      local core = require "bytenite.secrets.core"
      for _, source in ipairs { "secret_from_env", "secret_from_fd" } do
        core[source] = function() return nil, "cannot be kept: memory is short" end
      end
    ]]
    local path = command.file("apply.json",
      '{ "secrets": [ { "id": "a", "secretType": "s3", "secretKey": { "env": "HOME" } } ] }')
    for _, words in ipairs {
      { "env", "a" }, { "put", "s3/a", input = "MARKER" }, { "put", "s3/a", "--key-env", "HOME" },
      { "apply", path, "--yes" },
    } do
      local result = run_after(SHORT, words)
      assert.are.equal(1, result.status, words[1])
      assert.matches("^bytenite%-secrets: .*memory is short\n$", result.stderr)
    end
  end)
end)
