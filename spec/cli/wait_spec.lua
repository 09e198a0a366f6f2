-- Waiting: what people are told, and how they end it.

local child = require "child"
local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local process = require "process"

local SIGINT = 2

-- Without option `wait` only retries are announced.
local CAN_WAIT = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

local UNDER_WAY = "; what was under way may have been applied all the same"

describe("Waiting", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = { { id = "a", secretType = "s3" } } })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, TERM = "xterm",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  describe("is announced", function()
    it("when the service takes over two seconds", function()
      if not CAN_WAIT then return pending "no option wait" end
      emulator:fail { op = "list", delay = 2.5 }
      local result = command.run { "list" }
      assert.are.equal(0, result.status)
      assert.are.equal("bytenite-secrets: waiting for the service\n", result.stderr)
    end)

    it("when a retry is over two seconds away", function()
      emulator:fail { op = "list", status = 503, headers = { ["Retry-After"] = "3" } }
      local result = command.run { "list" }
      assert.are.equal(0, result.status)
      assert.are.equal("bytenite-secrets: list: waiting 3 s before attempt 2\n", result.stderr)
    end)

    it("above the bar of a bulk call", function()
      if not CAN_WAIT then return pending "no option wait" end
      emulator:fail { op = "put", delay = 2.5, times = 2 }
      local path = command.file("apply.json", [[{ "secrets": [
        { "id": "a", "secretType": "s3", "secretKey": { "env": "KEY" } },
        { "id": "b", "secretType": "s3", "secretKey": { "env": "KEY" } },
        { "id": "c", "secretType": "s3", "secretKey": { "env": "KEY" } } ] }]])
      environment.set { KEY = "MARKER" }
      local status, screen = command.watch { "apply", path, "--yes" }
      assert.are.equal(0, status)
      assert.matches("%] 1/3\r\27%[Kbytenite%-secrets: waiting for the service\n", screen)
    end)

    it("not when it is shorter", function()
      emulator:fail { op = "list", status = 503, headers = { ["Retry-After"] = "1" } }
      emulator:fail { op = "list", delay = 0.3 }
      assert.are.equal("", command.run({ "list" }).stderr)
    end)
  end)

  describe("ends with 130 on Ctrl-C", function()
    local function interrupt(words, shown, message)
      local terminal = command.on_terminal(words)
      if shown then terminal:expect(shown) end
      terminal:type "\3"
      local status, screen, echoes = terminal:finish()
      assert.are.equal(130, status)
      assert.matches("bytenite%-secrets: interrupted" .. (message or "") .. "\r\n$", screen)
      assert.is_true(echoes)
    end

    it("for modules that are being loaded", function()
      for _, name in ipairs {
        "bytenite.secrets.cli.text", "argparse", "bytenite.secrets.emulator.server",
      } do
        local pid, fd = process.spawn("sh", "-c", 'exec "$0" "$@" 2>&1', os.getenv "LUA", "-e", ([[
          if jit then jit.off() end
          package.preload["%s"] = function()
            io.popen "kill -INT $PPID"
            while true do end
          end]]):format(name), "lua/bytenite-secrets", "emulator")
        assert.are.equal("bytenite-secrets: interrupted\n", child.read_all(fd))
        assert.are.equal(130, process.wait(pid))
      end
    end)

    it("for the service, at once", function()
      if not CAN_WAIT then return pending "no option wait" end
      emulator:fail { op = "list", delay = 25 }
      interrupt({ "list" }, "waiting for the service")
    end)

    it("for the answer to a write, which may have been applied", function()
      if not CAN_WAIT then return pending "no option wait" end
      emulator:fail { op = "delete", delay = 25 }
      interrupt({ "delete", "s3/a" }, "waiting for the service", UNDER_WAY)
    end)

    it("for a retry", function()
      emulator:fail { op = "list", status = 503, headers = { ["Retry-After"] = "9" } }
      interrupt({ "list" }, "waiting 9 s before attempt 2")
    end)

    it("for many, which are told of no further", function()
      if not CAN_WAIT then return pending "no option wait" end
      environment.set { KEY = "MARKER" }
      emulator:fail { op = "put", delay = 25, times = 100 }
      local path = command.file("apply.json", [[{ "secrets": [
        { "id": "a", "secretType": "s3", "secretKey": { "env": "KEY" } },
        { "id": "b", "secretType": "s3", "secretKey": { "env": "KEY" } } ] }]])
      interrupt({ "apply", path, "--yes" }, "waiting for the service", UNDER_WAY)
    end)

    it("for a key that is typed", function()
      interrupt({ "put", "s3/b" }, "(not shown): ")
      assert.are.equal(1, #emulator:secrets())
    end)

    it("for consent", function()
      interrupt({ "delete", "s3/a", "s3/b" }, "[y/N] ")
      assert.are.equal(1, #emulator:secrets())
    end)

    it("for a key from a pipe, also when a part of it has come", function()
      for _, part in ipairs { "", "MARKER" } do
        for _, options in ipairs { "", "--key-fd 0" } do
          local path = command.file("pipe", "")
          os.execute(("rm %s; mkfifo %s"):format(path, path))
          local held = assert(io.open(path, "r+"))
          held:write(part)
          held:flush()
          local pid, fd = process.spawn("sh", "-c", 'exec "$1" "$2" put s3/b $3 <"$0" 2>&1', path,
            os.getenv "LUA", "lua/bytenite-secrets", options)
          os.execute("sleep 1")
          process.kill(pid, SIGINT)
          assert.are.equal("bytenite-secrets: interrupted\n", child.read_all(fd))
          assert.are.equal(130, process.wait(pid))
          held:close()
          os.remove(path)
        end
      end
    end)
  end)
end)
