-- Where a key may not be seen while a command has it: its words, its environment, its children.

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local process = require "process"
local read = require "read"

local KEY = "MARKER-4f1c9a7e2b"

describe("A key", function()
  local emulator, pid, fd

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start())
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, S3_KEY = KEY,
    }
    emulator:fail { op = "put", delay = 25 }
  end)

  after_each(function()
    process.kill(pid, 9)
    process.wait(pid)
    process.close(fd)
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  -- Returns when the service has the key and has not answered yet.
  local function wait_for_put()
    for _ = 1, 200 do
      local requests = emulator:requests()
      local last = requests[#requests]
      if last and last.body:find(KEY, 1, true) then return end
      os.execute("sleep 0.05")
    end
    error "no put has come"
  end

  local function assert_not_seen()
    wait_for_put()
    local place = "/proc/" .. pid
    command.check(read(place .. "/cmdline"))
    command.check(read(place .. "/environ"))
    assert.are.equal("", read(place .. "/task/" .. pid .. "/children"))
  end

  local function put(...)
    pid, fd = process.spawn(os.getenv "LUA", "lua/bytenite-secrets", "put", "s3/a", ...)
  end

  it("from a variable is in no environment", function()
    put("--key-env", "S3_KEY")
    assert_not_seen()
  end)

  it("from a file is seen nowhere", function()
    local path = command.file("key", KEY)
    environment.set { S3_KEY = false }
    put("--key-file", path)
    assert_not_seen()
  end)

  for name, source in pairs {
    ["standard input"] = '<"$1"', ["a descriptor"] = '--key-fd 7 7<"$1"',
  } do
    it("from " .. name .. " is seen nowhere", function()
      local path = command.file("key", KEY)
      environment.set { S3_KEY = false }
      pid, fd = process.spawn("sh", "-c", 'exec "$0" lua/bytenite-secrets put s3/a ' .. source,
        os.getenv "LUA", path)
      assert_not_seen()
    end)
  end

  it("that is typed is seen nowhere", function()
    environment.set { S3_KEY = false }
    pid, fd = process.spawn_on_terminal(os.getenv "LUA", "lua/bytenite-secrets", "put", "s3/a")
    assert.is_true(process.ready(fd, 10))
    assert.matches("not shown", process.read(fd))
    process.write(fd, KEY .. "\n")
    assert_not_seen()
  end)
end)
