-- bytenite-secrets rotate

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"

local KEY = "MARKER-new"

describe("rotate", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = { {
      secret = { id = "a", secretType = "s3", name = "My key", accessKey = "AKIA",
        params = { region = "eu", big = 1234567890123456 }, extra = { 1 } },
      secretKey = "MARKER-old",
    } } })
    environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  it("changes the key alone", function()
    local result = command.run { "rotate", "s3/a", input = KEY .. "\n" }
    assert.are.same({ status = 0, stdout = "", stderr = "" }, result)
    assert.are.same({ {
      id = "a", secretType = "s3", name = "My key", accessKey = "AKIA",
      params = { region = "eu", big = 1234567890123456 }, extra = { 1 }, secretKey = KEY,
    } }, emulator:secrets())
  end)

  it("changes what its options say besides", function()
    local path = command.file("key", KEY)
    local result = command.run { "rotate", "s3/a", "--access-key", "AKIB", "--expires",
      "2030-01-31", "--param", "region=us", "--param", "new=1", "--key-file", path }
    assert.are.same({ status = 0, stdout = "", stderr = "" }, result)
    assert.are.same({ {
      id = "a", secretType = "s3", name = "My key", accessKey = "AKIB",
      expiresAt = "2030-01-31T00:00:00Z",
      params = { region = "us", new = "1", big = 1234567890123456 }, extra = { 1 },
      secretKey = KEY,
    } }, emulator:secrets())
  end)

  it("of what is not there ends with 4 and writes nothing", function()
    for _, words in ipairs { { "rotate", "s3/b" }, { "rotate", "s3/b", "--name", "x" } } do
      words.input = KEY
      local result = command.run(words)
      assert.are.equal(4, result.status)
      assert.matches("s3/b: there is no such secret", result.stderr)
    end
    for _, request in ipairs(emulator:requests()) do
      assert.is_true(request.method == "GET" or request.path:find("access_token") ~= nil)
    end
  end)

  it("with options refuses a stored record that it could not write back", function()
    for field, option in pairs { ['"params":5'] = "--param=x=1", ['"name":5'] = "--access-key=x",
      ['"secret_key":1'] = "--name=x" } do
      emulator:fail { op = "list",
        body = '{"secrets":[{"id":"a","secretType":"s3",' .. field .. "}]}" }
      local result = command.run { "rotate", "s3/a", option, input = KEY }
      assert.are.equal(2, result.status)
      assert.matches("^bytenite%-secrets: the stored record cannot be kept: secret%.[^\n]+\n$",
        result.stderr)
    end
    assert.are.equal("MARKER-old", emulator:secrets()[1].secretKey)
  end)

  it("with bad arguments shows its usage and sends nothing", function()
    for _, words in ipairs {
      { "rotate" }, { "rotate", "s3" }, { "rotate", "s3/a", "--expires", "x" },
      { "rotate", "s3/a", "--name", "\255" },
    } do
      words.input = KEY
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets rotate", result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)

  it("asks for the key on a terminal and says what it did", function()
    local terminal = command.on_terminal { "rotate", "s3/a" }
    terminal:expect "Key of s3/a (not shown): "
    terminal:type(KEY .. "\n")
    local status, screen = terminal:finish()
    assert.are.equal(0, status)
    assert.matches("bytenite%-secrets: rotated s3/a %(request emulator%-%d+%)\r\n$",
      command.check(screen))
    assert.are.equal(KEY, emulator:secrets()[1].secretKey)
  end)
end)
