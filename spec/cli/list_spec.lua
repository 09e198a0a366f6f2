-- bytenite-secrets list

local cjson = require "cjson"
local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local DAY = 86400

local function in_days(days)
  return secrets.timestamp(os.time() + days * DAY + 60)
end

describe("list", function()
  local emulator

  local function start(seed)
    emulator = assert(emulators.start { seed = seed })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, COLUMNS = false,
      NO_COLOR = false, TERM = "xterm",
    }
  end

  before_each(environment.clear)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  it("writes an aligned table, ordered by type and id", function()
    start {
      { id = "my_key", secretType = "s3", name = "My key", accessKey = "AKIA",
        expiresAt = in_days(12) },
      { id = "token", secretType = "other" },
      { id = "old", secretType = "s3", expiresAt = in_days(-3) },
    }
    local result = command.run { "list" }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do
      lines[#lines + 1] = line:gsub("%d%d%d%d%-%d%d%-%d%d", "DATE")
    end
    assert.are.same({
      "TYPE   ID      NAME    ACCESS KEY  EXPIRES",
      "other  token",
      "s3     my_key  My key  AKIA        DATE in 12 days",
      "s3     old                         DATE EXPIRED 2 days ago",
    }, lines)
  end)

  it("names hours and minutes when there are no days left", function()
    start {
      { id = "a", secretType = "s3", expiresAt = in_days(1.5) },
      { id = "b", secretType = "s3", expiresAt = in_days(0.05) },
    }
    local result = command.run { "list" }
    assert.matches("in 36 hours", result.stdout)
    assert.matches("in 7[23] minutes", result.stdout)
  end)

  it("says which expiresAt is not a time", function()
    start { { id = "a", secretType = "s3", expiresAt = "soon" } }
    assert.matches("not a time", command.run({ "list" }).stdout)
  end)

  it("takes those of one type", function()
    start { { id = "a", secretType = "s3" }, { id = "b", secretType = "gcp" } }
    local result = command.run { "list", "--type", "gcp" }
    assert.matches("gcp", result.stdout)
    assert.not_matches("s3", result.stdout)
    assert.are.equal("secretType=gcp", emulator:requests()[2].query)
    emulator:stop()
    start { { id = "a", secretType = "x/y" } }
    assert.matches("x/y", command.run({ "list", "--type", "x/y" }).stdout)
    assert.matches("x/y", command.run({ "list", "--type", "x%2Fy" }).stdout)
  end)

  it("refuses what is no type, and sends nothing", function()
    start {}
    for _, secret_type in ipairs { "", ".", "..", "a\nb", "\255", ("x"):rep(1025) } do
      local result = command.run { "list", "--type", secret_type }
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets list", result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)

  it("writes nothing when nothing is stored, and says so on a terminal", function()
    start {}
    assert.are.same({ status = 0, stdout = "", stderr = "" }, command.run { "list" })
    local status, screen = command.watch { "list" }
    assert.are.equal(0, status)
    assert.are.equal("bytenite-secrets: nothing is stored\n", screen)
  end)

  it("as JSON writes the records as they are, in order", function()
    start {
      { id = "b", secretType = "s3", params = { list = { 1 }, big = 1234567890123456, pi = 3.5 },
        extra = true },
      { id = "a", secretType = "s3" },
    }
    local result = command.run { "list", "--json" }
    assert.are.equal([[
{
  "secrets": [
    {
      "id": "a",
      "secretType": "s3"
    },
    {
      "extra": true,
      "id": "b",
      "params": {
        "big": 1234567890123456,
        "list": [
          1
        ],
        "pi": 3.5
      },
      "secretType": "s3"
    }
  ]
}
]], result.stdout)
  end)

  it("as JSON writes an empty array when nothing is stored", function()
    start {}
    assert.are.equal('{\n  "secrets": []\n}\n', command.run({ "list", "--json" }).stdout)
  end)

  describe("--expiring", function()
    before_each(function()
      start {
        { id = "soon", secretType = "s3", expiresAt = in_days(13) },
        { id = "later", secretType = "s3", expiresAt = in_days(20) },
        { id = "gone", secretType = "s3", expiresAt = in_days(-20) },
        { id = "never", secretType = "s3" },
        { id = "unclear", secretType = "s3", expiresAt = "soon" },
      }
    end)

    it("lists what expires in the window or has expired, and ends with 8", function()
      local result = command.run { "list", "--expiring", "14d", "--json" }
      assert.are.equal(8, result.status)
      local ids = {}
      for position, secret in ipairs(cjson.decode(result.stdout).secrets) do
        ids[position] = secret.id
      end
      assert.are.same({ "gone", "soon" }, ids)
    end)

    it("warns of what it cannot judge", function()
      local result = command.run { "list", "--expiring", "14d" }
      assert.are.equal("bytenite-secrets: warning: s3/unclear: its expiresAt is not a time\n",
        result.stderr)
    end)

    it("ends with 0 when there is nothing", function()
      emulator:stop()
      start { { id = "later", secretType = "s3", expiresAt = in_days(20) } }
      for _, window in ipairs { "19d", "2w", "400h", "30m", "5s" } do
        assert.are.same({ status = 0, stdout = "", stderr = "" },
          command.run { "list", "--expiring", window })
      end
      assert.are.equal(8, command.run({ "list", "--expiring", "3w" }).status)
    end)

    it("refuses what is no length of time, and sends nothing", function()
      for _, window in ipairs { "14", "d", "-1d", "1.5d", "14 days", "1y", "", "9999999d" } do
        local result = command.run { "list", "--expiring=" .. window }
        assert.are.equal(2, result.status)
        assert.matches("^Usage: bytenite%-secrets list", result.stderr)
        assert.matches("such as 14d", result.stderr)
      end
      assert.are.same({}, emulator:requests())
    end)
  end)

  describe("on a terminal", function()
    local LONG = { id = ("i"):rep(60), secretType = "s3", name = ("n"):rep(200),
      accessKey = ("A"):rep(128), expiresAt = "2999-01-31T00:00:00Z" }

    local function widest(screen)
      local width = 0
      for line in screen:gmatch("[^\n]+") do
        local columns = select(2, line:gsub("[^\128-\191]", ""))
        width = math.max(width, columns)
      end
      return width
    end

    it("fits its width; what is cut ends with an ellipsis", function()
      start { LONG }
      for _, columns in ipairs { 200, 120, 80, 40, 20 } do
        local status, screen = command.watch { "list", columns = columns }
        assert.are.equal(0, status)
        assert.is_true(widest(screen) <= columns, screen)
        assert.matches("\226\128\166", screen)
      end
    end)

    it("cuts names and access keys before ids", function()
      start { LONG }
      local _, screen = command.watch { "list", columns = 120 }
      assert.matches(LONG.id, screen)
      assert.matches("in %d+ days", screen)
    end)

    it("obeys COLUMNS", function()
      start { LONG }
      local _, screen = command.watch { "list", columns = 200, before = "COLUMNS=60" }
      assert.are.equal(60, widest(screen))
    end)

    it("marks what has expired in red and what expires soon in yellow", function()
      start {
        { id = "a", secretType = "s3", expiresAt = in_days(-1) },
        { id = "b", secretType = "s3", expiresAt = in_days(5) },
        { id = "c", secretType = "s3", expiresAt = in_days(100) },
      }
      local _, screen = command.watch { "list" }
      assert.matches("\27%[31m[%d-]+ EXPIRED %d+ hours ago\27%[0m\n", screen)
      assert.matches("\27%[33m[%d-]+ in 5 days\27%[0m\n", screen)
      assert.matches("\n[^\27\n]+in 100 days\n$", screen)
    end)

    it("stays plain under NO_COLOR, on a dumb terminal, and in a pipe", function()
      start { { id = "a", secretType = "s3", expiresAt = in_days(-1) } }
      for _, before in ipairs { "NO_COLOR=1", "TERM=dumb" } do
        local _, screen = command.watch { "list", before = before }
        assert.not_matches("\27", screen)
      end
      assert.not_matches("\27", command.run({ "list" }).stdout)
    end)
  end)

  it("in a pipe cuts nothing", function()
    start { { id = ("i"):rep(1000), secretType = "s3", name = ("n"):rep(5000) } }
    environment.set { COLUMNS = "40" }
    local output = command.run({ "list" }).stdout
    assert.is_truthy(output:find(("i"):rep(1000), 1, true))
    assert.is_truthy(output:find(("n"):rep(5000), 1, true))
  end)
end)
