-- The command when memory runs out: Lua's allocations fail in turn, each alone or with all that
-- follow. Unless Lua copes without the memory, the command ends with 1 and says so.
--
-- SPEC_STRIDE=n tries every n-th allocation, as `make torture` does; the default is a few hundred.

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local process = require "process"

local STRIDE = tonumber(os.getenv "SPEC_STRIDE")
local SLOW = tonumber(os.getenv "SPEC_SLOW") or 1
local MOST = 2 ^ 31 - 1

local LAST = 8 -- this many allocations at the end are all tried
local BEYOND = 20 -- their number differs a little from run to run

-- A second failure in a row is the same allocation once more: Lua collects garbage and tries again.
local MODES = {
  { name = "one allocation fails", last = function(first) return first + 1 end },
  { name = "all allocations fail from one on", last = function() return MOST end },
}

-- Run before the command, in the same Lua. LuaJIT's compiled code can crash when it gets no memory.
local STARVE = [[
  local sabotage = require "sabotage"
  local function starve(first, last)
    if rawget(_G, "jit") then jit.off() end
    sabotage.starve(first, last)
  end
  local function count()
    local exit = os.exit
    os.exit = function(...)
      io.stderr:write("allocations: ", sabotage.allocations(), "\n")
      exit(...)
    end
    starve(0, 0)
  end
]]

-- A process that has loaded most modules. For each line of standard input a fork runs the command.
local SERVER = STARVE .. [[
  local process = require "process"
  require "bytenite.secrets.cli"
  require "argparse"
  local launch = assert(loadfile "lua/bytenite-secrets")
  arg = { %s }
  for line in io.lines() do
    local url, first, last = line:match "(%%S+) (%%d+) (%%d+)"
    local pid = process.fork()
    if pid == 0 then
      process.setenv("BYTENITE_BASE_URL", url)
      for fd, path in pairs { [0] = %q, %q, %q } do process.redirect(fd, path) end
      if first == "0" then count() else starve(tonumber(first), tonumber(last)) end
      return launch()
    end
    io.write(process.wait(pid), "\n")
    io.flush()
  end
]]

local JSON = [[{ "secrets": [
  { "id": "a", "secretType": "s3", "name": "new", "secretKey": { "env": "KEY" } },
  { "id": "b", "secretType": "other", "params": { "x": [1, 2] }, "secretKey": { "env": "KEY" } } ]
}]]

-- Hides errors: it then describes less.
local LUA = [[
  local found = {}
  pcall(function()
    for number = 1, 1000 do
      found[1] = { id = "a", secretType = "s3", secretKey = { env = "KEY" } }
    end
    found[2] = { id = "b", secretType = "s3", secretKey = { env = "KEY" } }
  end)
  return { secrets = found }
]]

local COMMANDS = {
  ["list"] = { "list", status = 0 },
  ["get, which finds nothing"] = { "get", "s3/none", status = 4 },
  ["put"] = { "put", "s3/new", "--access-key", "AK", input = "MARKER\n", status = 0 },
  ["apply of JSON"] = { "apply", "a.json", "--yes", file = JSON, status = 0 },
  ["apply of Lua"] = { "apply", "a.lua", "--yes", file = LUA, status = 0 },
  ["help"] = { "put", "--help", status = 0 },
  ["a wrong option"] = { "list", "--no-such-option", status = 2 },
}

-- Evenly spread, and all at the end.
local function places(total, wanted)
  local found = {}
  local stride = STRIDE or math.ceil(total / wanted)
  for place = 1, total + BEYOND, stride do
    found[#found + 1] = place
  end
  for place = total - LAST, total do
    found[#found + 1] = place
  end
  return found
end

-- Runs the command with all its memory, then once for each place. `run` takes the numbers of the
-- first and last allocation that fail, and returns everything that a run can be judged by.
local function torture(run, mode, status, wanted)
  local sound = run(0, 0)
  local total = sound.stderr:match("allocations: (%d+)\n$")
  sound.stderr = sound.stderr:gsub("allocations: %d+\n$", "")
  assert.are.equal(status, sound.status, sound.stderr)
  local failures, wrong = 0, {}
  for _, place in ipairs(places(tonumber(total), wanted)) do
    local result = run(place, mode.last(place))
    if result.status == 1 and result.stderr:find("not enough memory", 1, true) then
      failures = failures + 1
    elseif not pcall(assert.are.same, sound, result) then
      wrong[#wrong + 1] = ("%d: status %d, %s"):format(place, result.status, result.stderr)
    end
  end
  assert.are.same({}, wrong)
  assert.is_true(failures > wanted / 2)
end

describe("F1: when", function()
  local emulator, server

  before_each(function()
    environment.clear()
    environment.set {
      BYTENITE_API_KEY = "key", BYTENITE_RETRIES = "0", KEY = "MARKER",
      ASAN_OPTIONS = "detect_leaks=0", -- errors of memory make lua-cjson leak
    }
  end)

  after_each(function()
    if server then
      process.close(server.input)
      process.close(server.output)
      process.wait(server.pid)
    end
    if emulator then emulator:stop() end
    emulator, server = nil, nil
    environment.restore()
    command.clean_up()
  end)

  local function start_server(words)
    local quoted = {}
    for position, word in ipairs(words) do
      if words.file and position == 2 then word = command.file(word, words.file) end
      quoted[position] = ("%q"):format(word)
    end
    local script = SERVER:format(table.concat(quoted, ", "),
      command.file("in", words.input or ""), command.file("out", ""), command.file("err", ""))
    server = {}
    server.pid, server.output, server.input = process.converse("sh", "-c",
      "exec " .. command.interpreter .. ' -e "$0"', script)
  end

  local function run_in_server(first, last)
    if emulator then emulator:stop() end
    emulator = assert(emulators.start {
      api_key = "key",
      seed = { { id = "a", secretType = "s3", name = "old" }, { id = "c", secretType = "s3" } },
    })
    process.write(server.input, ("%s %d %d\n"):format(emulator.url, first, last))
    local status = tonumber(process.read(server.output))
    return {
      status = assert(status, "the server has ended"),
      stdout = command.check(command.read "out"),
      stderr = command.check(command.read "err"),
      stored = emulator:secrets(),
    }
  end

  for _, mode in ipairs(MODES) do
    for name, words in pairs(COMMANDS) do
      it(("%s, %s ends with 1 and a line, or has done all"):format(mode.name, name), function()
        start_server(words)
        torture(run_in_server, mode, words.status, math.ceil(16 / SLOW))
      end)
    end

    it(mode.name .. ", modules that are being loaded end it with 1 and a line", function()
      torture(function(first, last)
        environment.set { LUA_INIT = STARVE
          .. (first == 0 and "count()" or ("starve(%d, %d)"):format(first, last)) }
        local result = command.run { "version" }
        environment.set { LUA_INIT = false }
        return result
      end, mode, 0, math.ceil(6 / SLOW))
    end)
  end
end)
