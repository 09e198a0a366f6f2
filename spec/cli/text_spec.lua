-- Text from outside on its way to a terminal.

local cjson = require "cjson"
local command = require "command"
local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local text = require "bytenite.secrets.cli.text"

describe("Text that is shown", function()
  it("stays as it is when it is plain", function()
    for _, plain in ipairs { "", "My key", "~!@#", "h\195\169", "\230\188\162\229\173\151",
      "\215\169\215\156\215\149\215\157", "\240\159\152\128" } do
      assert.are.equal(plain, text.clean(plain))
    end
  end)

  it("has escapes for control characters", function()
    assert.are.equal("a\\nb\\rc\\td", text.clean("a\nb\rc\td"))
    assert.are.equal("\\x1B[31m\\x07\\x00\\x7F", text.clean("\27[31m\7\0\127"))
    assert.are.equal("\\xC2\\x9B31m", text.clean("\194\15531m")) -- U+009B, a CSI
  end)

  it("has escapes for what changes the direction of text, or cannot be seen", function()
    for _, character in ipairs {
      "\216\156", "\226\128\139", "\226\128\142", "\226\128\143", "\226\128\168", "\226\128\169",
      "\226\128\170", "\226\128\171", "\226\128\172", "\226\128\173", "\226\128\174",
      "\226\129\160", "\226\129\166", "\226\129\167", "\226\129\168", "\226\129\169",
      "\239\187\191",
    } do
      local escaped = character:gsub(".", function(byte)
        return ("\\x%02X"):format(byte:byte())
      end)
      assert.are.equal("a" .. escaped .. "b", text.clean("a" .. character .. "b"))
    end
  end)

  it("has escapes for bytes that are no UTF-8", function()
    assert.are.equal("a\\xFFb", text.clean("a\255b"))
    assert.are.equal("\\x80\\x81", text.clean("\128\129"))
    assert.are.equal("\\xC3", text.clean("\195"))
    assert.are.equal("\\xC0\\x80", text.clean("\192\128"))
    assert.are.equal("\\xED\\xA0\\x80", text.clean("\237\160\128"))
    assert.are.equal("\\xC3\\xA9\\x80", text.clean("\195\169\128"))
  end)

  it("has at most three marks on a letter", function()
    local mark = "\204\129" -- U+0301
    assert.are.equal("e" .. mark:rep(3), text.clean("e" .. mark:rep(3)))
    assert.are.equal("e" .. mark:rep(3) .. "\\xCC\\x81", text.clean("e" .. mark:rep(4)))
  end)

  it("is as wide as a terminal shows it", function()
    assert.are.equal(3, text.width("abc"))
    assert.are.equal(1, text.width("\195\169"))
    assert.are.equal(1, text.width("e\204\129"))
    assert.are.equal(4, text.width("\230\188\162\229\173\151"))
    assert.are.equal(2, text.width("\240\159\152\128"))
  end)

  it("is ASCII where the system knows no UTF-8, apart from the ellipsis", function()
    local width = core.character_width
    core.character_width = function(character)
      if #character == 1 then return width(character) end
    end
    local clean = text.clean "\195\169bcdefghi"
    local cut = text.cut(clean, 10)
    local columns = text.width(cut)
    core.character_width = width
    assert.are.same({ "\\xC3\\xA9bcdefghi", "\\xC3\\xA9b\226\128\166", 10 },
      { clean, cut, columns })
  end)

  it("is cut between characters", function()
    assert.are.equal("abc", text.cut("abc", 3))
    assert.are.equal("ab\226\128\166", text.cut("abcd", 3))
    local wide = "\230\188\162\229\173\151"
    assert.are.equal(wide, text.cut(wide, 4))
    assert.are.equal("\230\188\162\226\128\166", text.cut(wide, 3))
    assert.are.equal("\226\128\166", text.cut(wide, 2))
    assert.are.equal("\226\128\166", text.cut(wide, 1))
  end)

  it("keeps to itself when it is written from right to left", function()
    assert.are.equal("\226\129\168\215\169\226\129\169", text.isolate("\215\169"))
    assert.are.equal("abc \195\169 \230\188\162", text.isolate("abc \195\169 \230\188\162"))
  end)
end)

describe("Hostile records", function()
  local HOSTILE = {
    "\27]0;title\7", "\27[2J\27[H", "line\nbreak\rreturn", "\194\155A", "\226\128\174txet",
    ("\230\188\162"):rep(300), ("e" .. ("\204\129"):rep(50)), "\215\169\215\156\215\149\215\157 1",
    ("x"):rep(20000), "\\", "%s%d%n",
  }

  local emulator

  before_each(function()
    environment.clear()
    local seed = {}
    for position, text_of in ipairs(HOSTILE) do
      seed[position] = { id = "id" .. position, secretType = "s3", name = text_of,
        accessKey = text_of, expiresAt = text_of, params = { [text_of] = text_of },
        [text_of] = text_of }
    end
    emulator = assert(emulators.start { seed = seed })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, COLUMNS = false,
      NO_COLOR = "1", TERM = "xterm",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local function assert_harmless(output)
    assert.is_nil(output:gsub("\n", ""):find("[%c\127]"))
    assert.is_nil(output:find("\194[\128-\159]"))
    assert.is_nil(output:find("\226\128[\168-\174]"))
  end

  it("do not disturb a terminal", function()
    local status, screen = command.watch { "list", columns = 80 }
    assert.are.equal(0, status)
    assert_harmless(screen)
    assert.are.equal(#HOSTILE + 1, select(2, screen:gsub("\n", "")))
    for line in screen:gmatch("[^\n]+") do
      assert.is_true(text.width(line) <= 80, line)
    end
    for position in ipairs(HOSTILE) do
      status, screen = command.watch { "get", "s3/id" .. position }
      assert.are.equal(0, status)
      assert_harmless(screen)
    end
  end)

  it("do not disturb a pipe, a warning, or JSON", function()
    for _, words in ipairs {
      { "list" }, { "list", "--json" }, { "list", "--expiring", "1d" }, { "env" },
      { "env", "--json" }, { "get", "s3/id1", "--json" },
    } do
      local result = command.run(words)
      assert.are.equal(0, result.status)
      assert_harmless(result.stdout)
      assert_harmless(result.stderr)
    end
  end)

  it("written from right to left turn nothing around on a terminal", function()
    local isolated = "\226\129\168" .. "\215\169\215\156\215\149\215\157 1" .. "\226\129\169"
    for _, words in ipairs { { "list" }, { "get", "s3/id8" } } do
      words.columns = 200
      local _, screen = command.watch(words)
      assert.is_truthy(screen:find(isolated, 1, true), screen)
      words.columns = nil
      assert.is_nil(command.run(words).stdout:find("\226\129\168", 1, true))
    end
    local plan = { "plan", command.file("plan.json", cjson.encode { secrets = { {
      id = "id8", secretType = "s3", name = "12", params = { ["\215\169"] = "\215\169" },
      secretKey = { env = "X" },
    } } }) }
    assert.are.equal(8, command.run(plan).status)
    assert.is_nil(command.run(plan).stdout:find("\226\129\168", 1, true))
    local _, screen = command.watch(plan)
    assert.is_truthy(screen:find('    name: \226\129\168"\215\169\215\156\215\149\215\157 1"'
      .. '\226\129\169 -> "12"\n', 1, true), screen)
    assert.is_truthy(screen:find('    \226\129\168params.\215\169\226\129\169: ', 1, true), screen)
  end)

  it("do not disturb a plan", function()
    local secrets = {}
    for position, text_of in ipairs(HOSTILE) do
      secrets[position] = { id = "id" .. position, secretType = "s3", name = text_of .. "!",
        params = { [text_of .. "!"] = text_of }, secretKey = { env = "X" } }
    end
    local result =
      command.run { "plan", command.file("plan.json", cjson.encode { secrets = secrets }) }
    assert.are.equal(8, result.status, result.stderr)
    assert_harmless(result.stdout)
    for line in result.stdout:gmatch("[^\n]+") do
      assert.are.equal(line, text.clean(line))
    end
  end)

  it("do not disturb a message", function()
    for _, text_of in ipairs(HOSTILE) do
      emulator:fail { op = "list", status = 400,
        body = cjson.encode({ error = { message = text_of }, requestId = text_of }) }
      local result = command.run { "list" }
      assert.are.equal(5, result.status)
      assert_harmless(result.stderr)
      for line in result.stderr:gmatch("[^\n]+") do
        assert.are.equal(line, text.clean(line))
      end
    end
  end)

  it("with an answer of odd types are shown all the same", function()
    emulator:fail { op = "list", times = 6, body = [[{ "secrets": [ {}, { "id": 5, "secretType": {},
      "name": [1, {"a": null}], "accessKey": true, "expiresAt": 7, "params": [] } ] }]] }
    for _, words in ipairs {
      { "list" }, { "list", "--json" }, { "env" }, { "env", "--json" },
      { "list", "--expiring", "1d" },
    } do
      local result = command.run(words)
      assert.are.equal(0, result.status, result.stderr)
    end
  end)
end)
