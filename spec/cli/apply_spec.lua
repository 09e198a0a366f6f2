-- bytenite-secrets apply

local cjson = require "cjson"
local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"

describe("apply", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = {
      { id = "same", secretType = "s3", name = "Same" },
      { id = "renamed", secretType = "s3", name = "Old", accessKey = "AKIA" },
      { id = "test_1", secretType = "s3" },
    } })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, TERM = "xterm",
      NO_COLOR = "1", APPLY_KEY = "MARKER-env", BYTENITE_RETRIES = "0",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local function file()
    return command.file("apply.json", ([[{ "secrets": [
      { "id": "same", "secretType": "s3", "name": "Same" },
      { "id": "renamed", "secretType": "s3", "name": "New", "secretKey": { "env": "APPLY_KEY" } },
      { "id": "created", "secretType": "gcp", "secretKey": { "file": "%s" } }
    ] }]]):format(command.file("key", "MARKER-file")))
  end

  local function many(count)
    local secrets = {}
    for number = 1, count do
      secrets[number] =
        { id = "id" .. number, secretType = "s3", secretKey = { env = "APPLY_KEY" } }
    end
    return command.file("many.json", cjson.encode({ secrets = secrets }))
  end

  local function ids()
    local found = {}
    for position, secret in ipairs(emulator:secrets()) do
      found[position] = secret.id
    end
    return table.concat(found, " ")
  end

  local function writes()
    local count = 0
    for _, request in ipairs(emulator:requests()) do
      local exchange = request.path:find("access_token") ~= nil
      if request.method ~= "GET" and not exchange then count = count + 1 end
    end
    return count
  end

  it("shows the plan and writes it", function()
    local result = command.run { "apply", file(), "--yes", "--prune", "s3:test_*" }
    assert.are.same({ status = 0, stdout = "", stderr = [[
~ update s3/renamed
    name: "Old" -> "New"
+ create gcp/created
- delete s3/test_1
1 to create, 1 to update, 1 to delete, 1 unchanged
]] }, result)
    assert.are.same({
      { id = "same", secretType = "s3", name = "Same", secretKey = "" },
      { id = "renamed", secretType = "s3", name = "New", accessKey = "AKIA",
        secretKey = "MARKER-env" },
      { id = "created", secretType = "gcp", secretKey = "MARKER-file" },
    }, emulator:secrets())
  end)

  it("writes nothing when there is nothing to do", function()
    local path = command.file("apply.json",
      '{ "secrets": [ { "id": "same", "secretType": "s3" } ] }')
    local result = command.run { "apply", path, "--yes" }
    assert.are.same({ status = 0, stdout = "", stderr = "nothing to do: 1 unchanged\n" }, result)
    local status, screen = command.watch { "apply", path }
    assert.are.same({ 0, "nothing to do: 1 unchanged\n" }, { status, screen })
    assert.are.equal(0, writes())
  end)

  it("asks on a terminal before it writes", function()
    local path = file()
    local terminal = command.on_terminal { "apply", path }
    assert.matches("1 to create, 1 to update, 1 unchanged\r\n$", terminal:expect "go on? [y/N] ")
    assert.are.equal(0, writes())
    terminal:type "y\n"
    local status, screen = terminal:finish()
    assert.are.equal(0, status)
    assert.matches("bytenite%-secrets: 2 done, 0 failed\r\n$", command.check(screen))
    assert.are.equal(2, writes())
  end)

  it("shows the plan in colour on a terminal", function()
    local _, screen = command.watch { "apply", file(), "--yes", before = "NO_COLOR=" }
    assert.matches("\27%[33m~ update s3/renamed\27%[0m\n", screen)
    assert.matches("\27%[32m%+ create gcp/created\27%[0m\n", screen)
  end)

  it("writes nothing without consent", function()
    local path = file()
    local terminal = command.on_terminal { "apply", path }
    terminal:expect "[y/N] "
    terminal:type "n\n"
    assert.are.equal(1, (terminal:finish()))
    terminal = command.on_terminal { "apply", path }
    terminal:expect "[y/N] "
    terminal:type "\3"
    assert.are.equal(130, (terminal:finish()))
    assert.are.equal(0, writes())
  end)

  it("refuses where there is nobody to be asked, and sends nothing", function()
    local result = command.run { "apply", file() }
    assert.are.equal(2, result.status)
    assert.matches("no terminal to ask on; %-%-yes", result.stderr)
    assert.are.same({}, emulator:requests())
  end)

  it("refuses a plan gone stale", function()
    local terminal = command.on_terminal { "apply", file() }
    terminal:expect "[y/N] "
    command.run { "put", "s3/renamed", "--name", "Other", input = "MARKER" }
    local before = writes()
    terminal:type "y\n"
    local status, screen = terminal:finish()
    assert.are.equal(5, status)
    assert.matches("the listing has changed since the plan was made", screen)
    assert.are.equal(before, writes())
  end)

  it("needs all keys before it sends anything", function()
    environment.set { APPLY_KEY = false }
    local result = command.run { "apply", file(), "--yes" }
    assert.are.equal(2, result.status)
    assert.matches("secrets%[2%]: secretKey: .*APPLY_KEY is not set", result.stderr)
    environment.set { APPLY_KEY = "MARKER" }
    local path = file()
    os.remove((path:gsub("apply.json", "key")))
    result = command.run { "apply", path, "--yes" }
    assert.are.equal(2, result.status)
    assert.matches("secrets%[3%]: secretKey: .*does not exist", result.stderr)
    assert.are.same({}, emulator:requests())
  end)

  it("warns of keys with a stray newline", function()
    environment.set { APPLY_KEY = "MARKER\n" }
    local result = command.run { "apply", file(), "--yes" }
    assert.are.equal(0, result.status)
    assert.matches("warning: s3/renamed: secretKey begins or ends with a newline", result.stderr)
  end)

  it("names each failure at the end, and can be run again", function()
    emulator:fail { op = "put", status = 403, times = 3 }
    local path = many(10)
    local result = command.run { "apply", path, "--yes" }
    assert.are.equal(3, result.status)
    local failures = select(2, result.stderr:gsub("bytenite%-secrets: put s3/id%d+: [^\n]*HTTP 403",
      "%0"))
    assert.are.equal(3, failures)
    assert.matches("7 done, 3 failed; the same command again tries what is left\n$", result.stderr)
    result = command.run { "apply", path, "--yes" }
    assert.are.equal(0, result.status)
    assert.are.equal(13, #emulator:secrets())
  end)

  it("deletes nothing when a write has failed", function()
    emulator:fail { op = "put", status = 500 }
    local result = command.run { "apply", file(), "--yes", "--prune", "s3:test_*" }
    assert.are.equal(7, result.status)
    assert.matches("delete s3/test_1: it was never started: a write before it failed",
      result.stderr)
    assert.matches("It may have been applied all the same", result.stderr)
    assert.matches("test_1", ids())
  end)

  it("has a bar on a terminal that shows how far it is", function()
    emulator:fail { op = "put", delay = 0.15, times = math.huge }
    local status, screen = command.watch { "apply", many(40), "--yes" }
    assert.are.equal(0, status)
    assert.matches("\r\27%[K%[#+%.+%] %d+/40", screen)
    assert.matches("\r\27%[K%[" .. ("#"):rep(30) .. "%] 40/40\r\27%[Kbytenite%-secrets: 40 done, "
      .. "0 failed\n$", screen)
    status, screen = command.watch { "apply", many(40), "--yes", before = "TERM=dumb" }
    assert.are.equal(0, status)
    assert.not_matches("\27", screen)
  end)

  it("has a bar that fits a narrow terminal", function()
    local path = many(40)
    for columns, bar in pairs { [20] = "[###########] ", [10] = "[#] ", [9] = "" } do
      local _, screen = command.watch { "apply", path, "--yes", columns = columns }
      assert.is_truthy(screen:find("\r\27[K" .. bar .. "40/40\r\27[K", 1, true), screen)
    end
  end)

  it("with bad arguments shows its usage and sends nothing", function()
    for _, words in ipairs { { "apply" }, { "apply", "x", "--json" }, { "apply", "x", "y" } } do
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets apply", result.stderr)
    end
    assert.are.equal(2, command.run({ "apply", "/nowhere", "--yes" }).status)
    assert.are.same({}, emulator:requests())
  end)
end)
