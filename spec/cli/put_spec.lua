-- bytenite-secrets put, and where keys come from

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local process = require "process"
local secrets = require "bytenite.secrets"

local KEY = "MARKER-wJalrXUtnFEMI/K7MDENG"

describe("put", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start())
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, S3_KEY = false,
      TERM = "xterm",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local function stored()
    local all = emulator:secrets()
    assert.are.equal(1, #all)
    return all[1]
  end

  local function put(words)
    table.insert(words, 1, "put")
    local result = command.run(words)
    assert.are.equal("", result.stderr)
    assert.are.equal("", result.stdout)
    assert.are.equal(0, result.status)
    return stored()
  end

  it("stores what its options say", function()
    local secret = put {
      "s3/my_key", "--access-key", "AKIA", "--name=My key", "--expires", "2030-01-31T12:00:00Z",
      "--param", "region=eu", "--param", "note=a=b", "--param", "empty=", input = KEY,
    }
    assert.are.same({
      id = "my_key", secretType = "s3", accessKey = "AKIA", name = "My key",
      expiresAt = "2030-01-31T12:00:00Z",
      params = { region = "eu", note = "a=b", empty = "" }, secretKey = KEY,
    }, secret)
  end)

  it("sends no field that was not given", function()
    assert.are.same({ id = "my_key", secretType = "other", secretKey = KEY },
      put { "other/my_key", input = KEY })
  end)

  it("reads times as lengths from now, dates, or timestamps", function()
    local function seconds_left()
      return secrets.expires_in(stored())
    end
    for text, seconds in pairs { ["90d"] = 90 * 86400, ["2w"] = 14 * 86400, ["36h"] = 36 * 3600 } do
      put { "s3/a", "--expires", text, input = KEY }
      assert.is_true(math.abs(seconds_left() - seconds) < 60)
    end
    assert.are.equal("2030-01-31T00:00:00Z",
      put({ "s3/a", "--expires", "2030-01-31", input = KEY }).expiresAt)
    assert.are.equal("2030-01-31T00:00:00+01:00",
      put({ "s3/a", "--expires", "2030-01-31T00:00:00+01:00", input = KEY }).expiresAt)
  end)

  it("warns of what is odd, and stores it", function()
    local result = command.run { "put", "s3/my-key", "--name", " x", "--expires", "2001-01-01",
      input = KEY }
    assert.are.equal(0, result.status)
    assert.matches("warning: id cannot be part of a shell variable", result.stderr)
    assert.matches("warning: name begins or ends with white space", result.stderr)
    assert.matches("warning: expiresAt has passed", result.stderr)
    assert.are.equal(" x", stored().name)
  end)

  describe("reads the key", function()
    it("from a pipe, without one newline at its end", function()
      for given, expected in pairs {
        [KEY] = KEY, [KEY .. "\n"] = KEY, [KEY .. "\r\n"] = KEY, [KEY .. "\n\n"] = KEY .. "\n",
        ["\n" .. KEY] = "\n" .. KEY, [KEY .. " "] = KEY .. " ",
      } do
        local result = command.run { "put", "s3/a", input = given }
        assert.are.equal(0, result.status, result.stderr)
        assert.are.equal(expected, stored().secretKey)
      end
    end)

    it("from a pipe of up to 64 KiB", function()
      local long = KEY .. ("x"):rep(65536 - #KEY)
      assert.are.equal(long, put({ "s3/a", input = long }).secretKey)
      local result = command.run { "put", "s3/a", input = long .. "x" }
      assert.are.equal(2, result.status)
      assert.matches("longer than 64 KiB", result.stderr)
    end)

    it("from a file, as it is, and warns of a newline", function()
      local path = command.file("key", KEY)
      assert.are.equal(KEY, put({ "s3/a", "--key-file", path }).secretKey)
      path = command.file("key", KEY .. "\n")
      local result = command.run { "put", "s3/a", "--key-file", path }
      assert.are.equal(0, result.status)
      assert.matches("warning: the key begins or ends with a newline, which is kept", result.stderr)
      assert.are.equal(KEY .. "\n", stored().secretKey)
    end)

    it("from a file of several lines without a warning", function()
      local path = command.file("key", "-----BEGIN MARKER-----\nabc\n-----END MARKER-----\n")
      put { "s3/a", "--key-file", path }
    end)

    it("from a variable, which it takes out of its environment", function()
      environment.set { S3_KEY = KEY }
      assert.are.equal(KEY, put({ "s3/a", "--key-env", "S3_KEY" }).secretKey)
    end)

    it("from a descriptor, as it is", function()
      local path = command.file("key", KEY .. " ")
      local pid = process.spawn("sh", "-c", 'exec "$@" 7<"$0"', path, os.getenv "LUA",
        "lua/bytenite-secrets", "put", "s3/a", "--key-fd", "7")
      assert.are.equal(0, process.wait(pid))
      assert.are.equal(KEY .. " ", stored().secretKey)
      assert.are.equal(KEY .. "\n", (function()
        command.run { "put", "s3/a", "--key-fd", "0", input = KEY .. "\n" }
        return stored().secretKey
      end)())
    end)

    it("from no descriptor that would show what is typed", function()
      local status, screen = command.watch { "put", "s3/a", "--key-fd", "0" }
      assert.are.equal(2, status)
      assert.matches("%-%-key%-fd names a terminal, which would show the key", screen)
      assert.are.same({}, emulator:requests())
    end)

    it("from whoever sits at the terminal, without showing it", function()
      local terminal = command.on_terminal { "put", "s3/a" }
      terminal:expect "Key of s3/a (not shown): "
      assert.is_false(terminal:echoes())
      terminal:type(KEY .. "\n")
      local status, screen, echoes = terminal:finish()
      assert.are.equal(0, status)
      assert.are.equal(KEY, stored().secretKey)
      assert.is_true(echoes)
      assert.matches("^\nbytenite%-secrets: stored s3/a %(request emulator%-%d+%)\n$",
        (command.check(screen):gsub("\r", "")))
    end)

    it("from nobody who ends the prompt", function()
      local terminal = command.on_terminal { "put", "s3/a" }
      terminal:expect "(not shown): "
      terminal:type "\4"
      local status, screen, echoes = terminal:finish()
      assert.are.equal(130, status)
      assert.matches("the prompt was ended without an answer", screen)
      assert.is_true(echoes)
      assert.are.same({}, emulator:requests())
    end)

    it("never from an argument, and says why", function()
      for _, words in ipairs {
        { "put", "s3/a", "--key", KEY }, { "put", "s3/a", "--key=" .. KEY },
        { "put", "s3/a", "--key" .. KEY }, { "put", "--key", KEY, "s3/a" },
        { "put", "s3/a", "-k", KEY }, { "put", "s3/a", "-k" .. KEY },
        { "put", "s3/a", "--secret-key", KEY }, { "put", "s3/a", "--secretKey=" .. KEY },
        { "put", "s3/a", "--KEY=" .. KEY }, { "put", "s3/a", "--secret_key", KEY },
        { "put", "s3/a", "--password", KEY }, { "rotate", "s3/a", "--key", KEY },
        { "--key", KEY, "put", "s3/a" }, { "put", "s3/a", "--name", "x", "--key", KEY },
      } do
        words.input = KEY
        local result = command.run(words)
        assert.are.equal(2, result.status)
        assert.matches("^Usage: ", result.stderr)
        assert.matches("a key is never given on the command line", result.stderr)
      end
      for _, word in ipairs { "--api-key", "--api_key=" .. KEY, "--access-token", "--token" } do
        local result = command.run { "put", "s3/a", word, KEY }
        assert.are.equal(2, result.status)
        assert.matches("the API key or access token is never given", result.stderr)
      end
      assert.are.same({}, emulator:requests())
    end)

    it("never from a word in the wrong place, which is not repeated", function()
      for _, words in ipairs {
        { "put", "s3/a", KEY }, { "put", KEY }, { "put", "s3/a", "--key-fd", KEY },
        { "put", "s3/a", "--expires", KEY }, { "put", "s3/a", "--param", KEY },
        { "put", "s3/a", "--key-env", KEY }, { "put", "s3/a", "--key-file", KEY },
        { "put", "s3/a", "--key-file", KEY:rep(200) }, { "put", "s3/a", "-s" .. KEY },
        { "put", "s3/a", "--sk=" .. KEY }, { "rotate", "s3/a", "--key-env", KEY },
      } do
        assert.are.equal(2, command.run(words).status)
      end
      assert.are.same({}, emulator:requests())
    end)
  end)

  it("without a key to be had ends with 2 and sends nothing", function()
    local readable = command.file("readable", KEY)
    os.execute("chmod 644 " .. readable)
    for _, case in ipairs {
      { { "put", "s3/a", input = "" }, "the key on standard input is empty" },
      { { "put", "s3/a", input = "\n" }, "the key on standard input is empty" },
      { { "put", "s3/a", "--key-file", "/nowhere" }, "what %-%-key%-file names does not exist" },
      { { "put", "s3/a", "--key-file", "/etc" }, "/etc is not a regular file" },
      { { "put", "s3/a", "--key-file", readable },
        "%(mode 0644%)\n  Next: chmod 600, or let the key come through standard input: < FILE\n$" },
      { { "put", "s3/a", "--key-env", "S3_KEY" }, "what %-%-key%-env names is not set" },
      { { "put", "s3/a", "--key-fd", "99" }, "descriptor 99 cannot be read" },
      { { "put", "s3/a", "--key-fd", "9" }, "descriptor 9 cannot be read" },
      { { "put", "s3/a", "--key-fd", "5" }, "descriptor 5 cannot be read" },
      { { "put", "s3/a", input = "MARKER\255" }, "UTF%-8" },
    } do
      local result = command.run(case[1])
      assert.are.equal(2, result.status, result.stderr)
      assert.matches(case[2], result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)

  it("with arguments that cannot be sent shows its usage and sends nothing", function()
    for _, words in ipairs {
      { "put" }, { "put", "s3" }, { "put", "s3/.." }, { "put", "s3/a", "--expires", "soon" },
      { "put", "s3/a", "--expires", "" }, { "put", "s3/a", "--expires", "2030-02-30" },
      { "put", "s3/a", "--expires", "999999w" }, { "put", "s3/a", "--expires=-1d" },
      { "put", "s3/a", "--param", "novalue" }, { "put", "s3/a", "--param", "=x" },
      { "put", "s3/a", "--param", "a=1", "--param", "a=2" }, { "put", "s3/a", "--name", "\255" },
      { "put", "s3/a", "--name" }, { "put", "s3/a", "--key-fd", "-1" },
      { "put", "s3/a", "--key-fd", "x" }, { "put", "s3/a", "--json" },
      { "put", "s3/a", "--key-file", "x", "--key-env", "y" }, { "put", "s3/a", "--naem", "x" },
    } do
      words.input = KEY
      local result = command.run(words)
      assert.are.equal(2, result.status, table.concat(words, " "))
      assert.are.equal("", result.stdout)
      assert.matches("^Usage: bytenite%-secrets put", result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)

  it("is silent about success unless standard error is a terminal", function()
    put { "s3/a", input = KEY }
    local path = command.file("key", KEY)
    local status, screen =
      command.watch { "put", "s3/a", "--key-file", path, after = "2>/dev/null" }
    assert.are.equal(0, status)
    assert.are.equal("", screen)
    status, screen = command.watch { "put", "s3/a", "--key-file", path, after = ">/dev/null" }
    assert.are.equal(0, status)
    assert.matches("^bytenite%-secrets: stored s3/a %(request emulator%-%d+%)\n$", screen)
  end)
end)
