-- bytenite-secrets get

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"

describe("get", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = {
      { id = "my_key", secretType = "s3", name = "My key", accessKey = "AKIA",
        expiresAt = "2999-01-31T00:00:00Z", params = { region = "eu", list = { 1, 2 } },
        extra = 7 },
      { id = "a/b/c", secretType = "other" }, { id = "x", secretType = "--key" },
      { id = "50%25", secretType = "a/b:c%2F" },
    } })
    environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  it("shows every field of a record", function()
    local result = command.run { "get", "s3/my_key" }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    assert.are.equal([[
secretType  s3
id          my_key
name        My key
accessKey   AKIA
expiresAt   2999-01-31T00:00:00Z (in DAYS days)
params      { "list": [ 1, 2 ], "region": "eu" }
extra       7
]], (result.stdout:gsub("in %d+ days", "in DAYS days")))
  end)

  it("as JSON writes the record as it is", function()
    local result = command.run { "get", "s3/my_key", "--json" }
    assert.are.equal([[
{
  "accessKey": "AKIA",
  "expiresAt": "2999-01-31T00:00:00Z",
  "extra": 7,
  "id": "my_key",
  "name": "My key",
  "params": {
    "list": [
      1,
      2
    ],
    "region": "eu"
  },
  "secretType": "s3"
}
]], result.stdout)
  end)

  it("takes an id with slashes", function()
    local result = command.run { "get", "other/a/b/c" }
    assert.are.equal("secretType  other\nid          a/b/c\n", result.stdout)
  end)

  it("takes a type with slashes, colons and percent signs, written as in a URL", function()
    for _, address in ipairs {
      "a%2Fb%3Ac%252F/50%25", "a%2fb%3ac%252F/50%25", "a%2Fb:c%252F/50%25",
    } do
      assert.are.equal("secretType  a/b:c%2F\nid          50%25\n",
        command.run({ "get", address }).stdout)
    end
    assert.are.equal(4, command.run({ "get", "a/b:c%2F/50%25" }).status)
  end)

  it("takes what looks like an option after --", function()
    assert.are.equal("secretType  --key\nid          x\n",
      command.run({ "get", "--", "--key/x" }).stdout)
  end)

  it("ends with 4 when there is none", function()
    local result = command.run { "get", "s3/another" }
    assert.are.equal(4, result.status)
    assert.are.equal("", result.stdout)
    assert.are.equal("bytenite-secrets: get s3/another: there is no such secret in the listing\n"
      .. "  Next: bytenite-secrets list shows what there is\n", result.stderr)
  end)

  it("refuses what names no secret, and sends nothing", function()
    for _, words in ipairs {
      { "get" }, { "get", "s3" }, { "get", "s3/" }, { "get", "/id" }, { "get", "" },
      { "get", "s3/." }, { "get", "s3/.." }, { "get", "./a" }, { "get", "s3/a\nb" },
      { "get", "s3/\255" }, { "get", "s3/" .. ("x"):rep(1025) }, { "get", "s3/a", "s3/b" },
      { "get", "s3/a", "--type", "s3" },
    } do
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.are.equal("", result.stdout)
      assert.matches("^Usage: bytenite%-secrets get", result.stderr)
      assert.matches("\nbytenite%-secrets: [^\n]+\n$", result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)
end)
