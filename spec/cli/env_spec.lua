-- bytenite-secrets env

local cjson = require "cjson"
local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"

describe("env", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = {
      { id = "my_key", secretType = "s3" }, { id = "token", secretType = "other" },
    } })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key,
      my_key_ACCESS_KEY = "AKIA", my_key_SECRET_KEY = "MARKER-1", token = "MARKER-2",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  it("names the variables of ids and which are set, and sends nothing", function()
    local result = command.run { "env", "my_key", "token" }
    assert.are.same({ status = 0, stderr = "", stdout = [[
ID      VARIABLE           HOLDS       STATE
my_key  my_key_ACCESS_KEY  access key  set
my_key  my_key_SECRET_KEY  secret key  set
token   token              secret key  set
]] }, result)
    assert.are.same({}, emulator:requests())
  end)

  it("needs no credential for that", function()
    environment.set { BYTENITE_API_KEY = false }
    assert.are.equal(0, command.run({ "env", "my_key" }).status)
  end)

  it("ends with 4 when an id has no key here", function()
    environment.set { my_key_SECRET_KEY = false }
    local result = command.run { "env", "token", "my_key" }
    assert.are.equal(4, result.status)
    assert.matches("my_key_ACCESS_KEY  access key  set\n", result.stdout)
    assert.matches("my_key_SECRET_KEY  secret key  not set\n", result.stdout)
  end)

  it("lists the stored secrets when there are no ids", function()
    environment.set { my_key_SECRET_KEY = false }
    local result = command.run { "env" }
    assert.are.same({ status = 0, stderr = "", stdout = [[
ID      VARIABLE           HOLDS       STATE
my_key  my_key_ACCESS_KEY  access key  set
my_key  my_key_SECRET_KEY  secret key  not set
token   token              secret key  set
]] }, result)
  end)

  it("writes JSON", function()
    local result = command.run { "env", "token", "none", "--json" }
    assert.are.equal(4, result.status)
    assert.are.same({ secrets = {
      { id = "token", variables = { { name = "token", holds = "secretKey", set = true } } },
      { id = "none", variables = {
        { name = "none_ACCESS_KEY", holds = "accessKey", set = false },
        { name = "none_SECRET_KEY", holds = "secretKey", set = false },
      } },
    } }, cjson.decode(result.stdout))
    result = command.run { "env", "--json" }
    assert.are.equal("s3", cjson.decode(result.stdout).secrets[1].secretType)
  end)

  it("refuses what is no id", function()
    for _, id in ipairs { "", ".", "a\nb", "\255" } do
      local result = command.run { "env", id }
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets env", result.stderr)
    end
  end)
end)
