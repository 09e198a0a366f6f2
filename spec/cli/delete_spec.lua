-- bytenite-secrets delete

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"

describe("delete", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = {
      { id = "a", secretType = "s3" }, { id = "b", secretType = "s3" },
      { id = "c/d", secretType = "other" },
    } })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, TERM = "xterm",
      BYTENITE_RETRIES = "0",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local function ids()
    local found = {}
    for position, secret in ipairs(emulator:secrets()) do
      found[position] = secret.id
    end
    return table.concat(found, " ")
  end

  it("removes one without asking", function()
    assert.are.same({ status = 0, stdout = "", stderr = "" }, command.run { "delete", "s3/a" })
    assert.are.equal("b c/d", ids())
    local status, screen = command.watch { "delete", "other/c/d" }
    assert.are.equal(0, status)
    assert.matches("^bytenite%-secrets: deleted other/c/d %(request emulator%-%d+%)\n$", screen)
    assert.are.equal("b", ids())
  end)

  it("A1: of what is still there ends with 6, whatever says 404, --missing-ok or not", function()
    for _, words in ipairs { { "delete", "s3/a" }, { "delete", "s3/a", "--missing-ok" } } do
      emulator:fail { op = "delete", status = 404, body = '{"code":5,"message":"Not Found"}' }
      local result = command.run(words)
      assert.are.equal(6, result.status)
      assert.matches("delete s3/a: the service has nothing at this address", result.stderr)
      assert.matches("Next: check that base_url", result.stderr)
      assert.are.equal("a b c/d", ids())
    end
  end)

  it("A1: with a path too many in BYTENITE_BASE_URL ends with 6 under --missing-ok", function()
    command.run { "list" }
    local requests = emulator:requests()
    environment.set {
      BYTENITE_BASE_URL = emulator.url .. "/v1", BYTENITE_API_KEY = false,
      BYTENITE_ACCESS_TOKEN = requests[#requests].headers.authorization,
    }
    for _, words in ipairs { { "delete", "s3/a", "--missing-ok" },
      { "delete", "s3/a", "s3/b", "--missing-ok", "--yes" } } do
      local result = command.run(words)
      assert.are.equal(6, result.status)
      assert.matches("nothing at this address", result.stderr)
    end
    assert.are.equal("a b c/d", ids())
  end)

  it("of what is not there ends with 4, or with 0 under --missing-ok", function()
    local result = command.run { "delete", "s3/x" }
    assert.are.equal(4, result.status)
    assert.matches("delete s3/x: there is no such secret", result.stderr)
    assert.are.same({ status = 0, stdout = "", stderr = "" },
      command.run { "delete", "s3/x", "--missing-ok" })
    local _, screen = command.watch { "delete", "s3/x", "--missing-ok" }
    assert.matches("deleted s3/x, which was not there", screen)
  end)

  describe("of several", function()
    it("asks on a terminal", function()
      local terminal = command.on_terminal { "delete", "s3/a", "s3/b" }
      terminal:expect "delete s3/a, s3/b? [y/N] "
      terminal:type "y\n"
      local status, screen = terminal:finish()
      assert.are.equal(0, status)
      assert.matches("bytenite%-secrets: 2 done, 0 failed\r\n$", screen)
      assert.are.equal("c/d", ids())
    end)

    it("does nothing without consent", function()
      for _, answer in ipairs { "n\n", "\n", "\4", "maybe\n" } do
        local terminal = command.on_terminal { "delete", "s3/a", "s3/b" }
        terminal:expect "[y/N] "
        terminal:type(answer)
        local status, screen = terminal:finish()
        assert.are.equal(1, status)
        assert.matches("nothing was changed", screen)
      end
      assert.are.same({}, emulator:requests())
    end)

    it("takes nothing for consent that was typed before it asked", function()
      local terminal = command.on_terminal { "delete", "s3/a", "s3/b",
        before = "echo ready; sleep 0.5;" }
      terminal:expect "ready"
      terminal:type "y\ny\n"
      terminal:expect "[y/N] "
      terminal:type "n\n"
      assert.are.equal(1, (terminal:finish()))
      assert.are.same({}, emulator:requests())
    end)

    it("goes on without asking under --yes", function()
      local result = command.run { "delete", "s3/a", "other/c/d", "--yes" }
      assert.are.same({ status = 0, stdout = "", stderr = "" }, result)
      assert.are.equal("b", ids())
    end)

    it("refuses where there is nobody to be asked, and sends nothing", function()
      local result = command.run { "delete", "s3/a", "s3/b" }
      assert.are.equal(2, result.status)
      assert.matches("no terminal to ask on; %-%-yes", result.stderr)
      local status, screen = command.watch { "delete", "s3/a", "s3/b", after = "</dev/null" }
      assert.are.equal(2, status)
      assert.matches("no terminal to ask on", screen)
      status = command.watch { "delete", "s3/a", "s3/b", after = "2>/dev/null" }
      assert.are.equal(2, status)
      assert.are.same({}, emulator:requests())
    end)

    it("names each failure, and ends with the code of the first", function()
      emulator:fail { op = "delete", status = 403, times = 1 }
      environment.set { BYTENITE_RETRIES = "0" }
      local result = command.run { "delete", "--yes", "s3/a" , "s3/x", "s3/b" }
      local failures = select(2, result.stderr:gsub("bytenite%-secrets: delete s3/", "%0"))
      assert.are.equal(2, failures)
      assert.matches("s3/x: there is no such secret", result.stderr)
      assert.matches("HTTP 403", result.stderr)
      assert.matches("1 done, 2 failed; the same command again tries what is left\n$",
        result.stderr)
      assert.is_true(result.status == 3 or result.status == 4)
      emulator:stop()
      result = command.run { "delete", "--yes", "s3/a" , "s3/x" }
      assert.are.equal(6, result.status)
    end)

    it("has a bar on a terminal that shows how far it is", function()
      emulator:fail { op = "delete", delay = 0.15, times = 2 }
      local status, screen = command.watch { "delete", "s3/a", "s3/b", "other/c/d", "--yes" }
      assert.are.equal(0, status)
      assert.matches("^\r\27%[K%[#+%.+%] 1/3\r", screen)
      assert.matches("\r\27%[K%[#+%] 3/3\r\27%[Kbytenite%-secrets: 3 done, 0 failed\n$", screen)
    end)

    it("A1: forgives only what is really not there under --missing-ok", function()
      emulator:fail { op = "delete", status = 404, body = "<html>", times = 3 }
      local result = command.run { "delete", "--yes", "--missing-ok", "s3/a", "s3/x", "s3/b" }
      assert.are.equal(6, result.status)
      assert.matches("delete s3/a: .*still stored", result.stderr)
      assert.matches("delete s3/b: .*still stored", result.stderr)
      assert.matches("1 done, 2 failed", result.stderr)
      assert.are.equal("a b c/d", ids())
    end)

    it("A1: forgives no token exchange that finds nothing under --missing-ok", function()
      emulator:fail { op = "authenticate", status = 404, times = 9 }
      local result = command.run { "delete", "--yes", "--missing-ok", "s3/a", "s3/b" }
      assert.are.equal(4, result.status)
      assert.matches("0 done, 2 failed", result.stderr)
      assert.are.equal("a b c/d", ids())
    end)

    it("forgives what is not there under --missing-ok", function()
      local result = command.run { "delete", "--yes", "--missing-ok", "s3/a" , "s3/x", "s3/b" }
      assert.are.same({ status = 0, stdout = "", stderr = "" }, result)
    end)
  end)

  it("with bad arguments shows its usage and sends nothing", function()
    for _, words in ipairs { { "delete" }, { "delete", "s3" }, { "delete", "s3/a", "b", "--yes" },
      { "delete", "s3/..", "--yes" }, { "delete", "--all" } } do
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets delete", result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)
end)
