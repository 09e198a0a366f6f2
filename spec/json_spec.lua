local cjson = require "cjson"
local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local process = require "process"

local INTEGERS = math.type ~= nil -- numbers of Lua 5.3 and newer may be integers
local FIELD_DEPTH, DECODE_DEPTH = 30, 33
local EXAMPLE = '{"a":[],"big":12345678901234567,"pi":3.141592653589793}'

local function nested(depth)
  local outermost = {}
  local inner = outermost
  for _ = 2, depth do
    inner.d = {}
    inner = inner.d
  end
  return outermost
end

--- The bytes of a code point in UTF-8.
local function utf8_of(code)
  if code < 0x80 then return string.char(code) end
  local length = code < 0x800 and 2 or code < 0x10000 and 3 or 4
  local lead = ({ nil, 0xC0, 0xE0, 0xF0 })[length]
  local bytes = {}
  for position = length, 2, -1 do
    bytes[position] = string.char(0x80 + code % 0x40)
    code = math.floor(code / 0x40)
  end
  return string.char(lead + code) .. table.concat(bytes, "", 2, length)
end

--- Random numbers that are the same in each run.
local function random_source()
  local state = 42
  return function(limit)
    state = (state * 16807) % 2147483647
    return state % limit
  end
end

local function assert_unreadable(text)
  local value, problem = core.decode(text)
  assert.is_nil(value)
  assert.matches("^not JSON at byte %d+$", problem)
end

--- A locale whose decimal point is a comma, made here if none is installed; nil when there is none.
local function comma_locale(directory)
  os.execute(("mkdir %s && localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1")
    :format(directory, directory))
  for _, name in ipairs { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "it_IT.UTF-8" } do
    if os.setlocale(name, "numeric") then return name end
  end
end

describe("JSON", function()
  describe("strings", function()
    it("are escaped only where JSON asks for it", function()
      local cases = {
        ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "/", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
        ["\0"] = "\\u0000", ["\1"] = "\\u0001", ["\b"] = "\\u0008", ["\31"] = "\\u001f",
        ["\127"] = "\127", ["ü"] = "ü", ["\226\128\168"] = "\226\128\168", [""] = "",
      }
      for text, written in pairs(cases) do
        assert.equal('"' .. written .. '"', core.encode(text))
      end
    end)

    it("of every byte that UTF-8 can have come back unharmed", function()
      local seen, count = {}, 0
      local parts = { "\0\127\194\128\223\191\239\191\191\240\144\128\128\244\143\191\191" }
      local code = 0
      while code <= 0x10FFFF do
        if code < 0xD800 or code > 0xDFFF then parts[#parts + 1] = utf8_of(code) end
        code = code + (code < 0x1000 and 1 or 61)
      end
      local text = table.concat(parts)
      for byte in text:gmatch(".") do
        if not seen[byte] then count = count + 1 end
        seen[byte] = true
      end
      assert.equal(256 - 13, count) -- C0, C1 and F5 to FF never occur
      local written = assert(core.encode { text })
      assert.equal(text, cjson.decode(written)[1])
      assert.equal(text, core.decode(written)[1])
    end)

    it("at random read the same to lua-cjson", function()
      local random = random_source()
      local characters = { "\0", "\n", "\31", '"', "\\", "/", "u", "a", "\127", "ü", "\226\128\169",
        "\240\159\148\145", "\237\159\191", "\238\128\128" }
      for _ = 1, 2000 do
        local parts = {}
        for position = 1, random(20) do
          parts[position] = characters[random(#characters) + 1]
        end
        local text = table.concat(parts)
        local written = assert(core.encode { [text] = text })
        assert.same({ [text] = text }, cjson.decode(written))
        assert.same({ [text] = text }, core.decode(written))
      end
    end)

    it("that are not UTF-8 are refused both ways", function()
      local cases = {
        "\128", "\191", "\192\128", "\193\191", "\194", "\194\65", "\195\40", "\224\128\128",
        "\224\159\191", "\226\130", "\226\40\161", "\226\130\40", "\237\160\128", "\237\191\191",
        "\240\128\128\128", "\240\143\191\191", "\240\159\148", "\240\40\140\188",
        "\244\144\128\128", "\245\128\128\128", "\248\136\128\128\128", "\254", "\255",
      }
      for _, bad in ipairs(cases) do
        for _, text in ipairs { bad, "a" .. bad, bad .. "a", ("a"):rep(9) .. bad .. "aaaa" } do
          local written, problem = core.encode { list = { text } }
          assert.is_nil(written)
          assert.equal("value.list[1] is not UTF-8", problem)
          written, problem = core.encode { [text] = 1 }
          assert.is_nil(written)
          assert.equal("value has a key that is not UTF-8", problem)
          assert_unreadable('["' .. text .. '"]')
        end
      end
    end)

    it("are read with all their escapes", function()
      local value = core.decode([["\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\udd11\u0000"]])
      assert.equal('"\\/\b\f\n\r\tAé€\240\159\148\145\0', value)
    end)

    it("with escapes that JSON does not have, or halves of pairs, are refused", function()
      for _, text in ipairs { [["\x41"]], [["\u12"]], [["\u12g4"]], [["\ud83d"]], [["\udd11"]],
        [["\ud83d\u0041"]], [["\ud83dA"]], [["\udd11\ud83d"]], [["\]], [["\"]], '"a', "'a'",
        "\"\\\0\"" }
      do
        assert_unreadable(text)
      end
    end)
  end)

  describe("numbers", function()
    it("are written as integers where they are integral, else with 17 digits", function()
      local cases = {
        [0] = "0", [-1] = "-1", [3.0] = "3", [1e15] = "1000000000000000",
        [2 ^ 53] = "9007199254740992", [-2 ^ 53] = "-9007199254740992",
        [1e20] = "100000000000000000000", [1e21] = "1e+21", [-1e21] = "-1e+21",
        [0.1] = "0.10000000000000001", [-0.5] = "-0.5", [3.141592653589793] = "3.1415926535897931",
        [1e-7] = "9.9999999999999995e-08", [5e-324] = "4.9406564584124654e-324",
        [1.7976931348623157e308] = "1.7976931348623157e+308",
      }
      for number, written in pairs(cases) do
        assert.equal(written, core.encode(number))
        assert.equal(number, core.decode(written))
      end
    end)

    it("keep the sign of zero", function()
      assert.equal("-0", core.encode(-0.0))
      assert.equal("-0", core.encode(core.decode("-0.0")))
      assert.equal("0", core.encode(core.decode("0.0")))
    end)

    it("at random come back the same", function()
      local random = random_source()
      for _ = 1, 2000 do
        local number = (random(2 ^ 31) * 2 ^ 22 + random(2 ^ 22)) * 2.0 ^ (random(1900) - 1000)
        assert.equal(number, core.decode(core.encode { number })[1])
        assert.equal(-number, core.decode(core.encode { -number })[1])
      end
    end)

    it("that JSON does not have are refused with their path", function()
      local problems = {
        [math.huge] = "value.a[2] is infinite, which JSON does not have",
        [-math.huge] = "value.a[2] is infinite, which JSON does not have",
      }
      for number, expected in pairs(problems) do
        local written, problem = core.encode { a = { 1, number } }
        assert.is_nil(written)
        assert.equal(expected, problem)
      end
      local _, problem = core.encode { a = { b = 0 / 0 } }
      assert.equal("value.a.b is NaN, which JSON does not have", problem)
    end)

    it("beyond 2^53 are exact where Lua has integers", function()
      if not INTEGERS then return pending("this Lua has no integers") end
      for _, text in ipairs { "9007199254740993", "-9007199254740993", "12345678901234567",
        "9223372036854775807", "-9223372036854775808" }
      do
        local number = core.decode(text)
        assert.equal("integer", math.type(number))
        assert.equal(text, ("%d"):format(number))
        assert.equal(text, core.encode(number))
      end
      assert.equal(2 ^ 63, core.decode("9223372036854775808"))
      assert.equal("float", math.type(core.decode("9223372036854775808")))
      assert.equal(1e30, (core.decode("1" .. ("0"):rep(30))))
      assert.same({ { 1e30 }, false }, { core.decode("[1" .. ("0"):rep(30) .. "]") })
      assert.same({ { 2 ^ 64 }, true }, { core.decode("[18446744073709551616]") })
    end)

    it("are read up to the largest double, and not beyond", function()
      assert.equal(1.7976931348623157e308, core.decode("1.7976931348623157e308"))
      assert.equal(1e308, core.decode("1" .. ("0"):rep(308)))
      assert.equal(1, core.decode("0." .. ("0"):rep(399) .. "1e400"))
      assert.equal(0, core.decode("1e-999"))
      assert.equal(0, core.decode("0e99999999999999999999"))
      for _, text in ipairs { "1e999", "-1e999", "1.7976931348623159e308", "1e309",
        "1" .. ("0"):rep(309), "1e99999999999999999999", "0.1e310", "[1e999]" }
      do
        assert_unreadable(text)
      end
    end)

    it("do not depend on the host's locale", function()
      local directory = os.tmpname()
      os.remove(directory)
      process.setenv("LOCPATH", directory)
      local before = os.setlocale(nil, "numeric")
      local found = comma_locale(directory)
      local written = core.encode { 1.5, -0.25, 1e300 }
      local value = core.decode("[1.5,2.5e3,-0.125,12345678901234567890]")
      os.setlocale(before, "numeric")
      process.setenv("LOCPATH")
      os.execute("rm -r " .. directory)
      if not found then return pending("no locale with a decimal comma can be had") end
      assert.equal("[1.5,-0.25,1.0000000000000001e+300]", written)
      assert.same({ 1.5, 2500.0, -0.125, 12345678901234567890.0 }, value)
    end)
  end)

  describe("tables", function()
    it("are arrays when they have a first entry or are marked as arrays", function()
      assert.equal("[1,2,3]", core.encode { 1, 2, 3 })
      assert.equal("{}", core.encode {})
      assert.equal("[]", core.encode(setmetatable({}, core.array_mt)))
      assert.equal("[1]", core.encode(setmetatable({ 1 }, core.array_mt)))
      assert.equal('{"1":2}', core.encode { ["1"] = 2 })
      assert.equal("[true,false,null]", core.encode { true, false, core.null })
    end)

    it("with holes, other keys or of a foreign kind are refused with their path", function()
      local mixed = "is neither an array from 1 to n nor an object"
      local cases = {
        { { 1, nil, 3 }, "value.p " .. mixed },
        { { 1, a = 2 }, "value.p " .. mixed },
        { { 1, [2.5] = 2 }, "value.p " .. mixed },
        { setmetatable({ a = 1 }, core.array_mt), "value.p " .. mixed },
        { { [0] = 1 }, "value.p has keys that are neither strings nor 1 to n" },
        { { [true] = 1 }, "value.p has keys that are neither strings nor 1 to n" },
        { { a = print }, "value.p.a is of a type that JSON does not have" },
        { { coroutine.create(nested) }, "value.p[1] is of a type that JSON does not have" },
        { { { io.stdout } }, "value.p[1][1] is of a type that JSON does not have" },
        { core.secret_from_string("k"), "value.p is of a type that JSON does not have" },
      }
      for _, case in ipairs(cases) do
        local written, problem = core.encode { p = case[1] }
        assert.is_nil(written)
        assert.equal(case[2], problem)
      end
      assert.is_nil((core.encode { 1, nil, 3, [2.5] = 2 })) -- as many entries as an array of 3
      assert.equal("value is of a type that JSON does not have", (select(2, core.encode(print))))
      assert.equal("value is of a type that JSON does not have", (select(2, core.encode(nil))))
    end)

    it("that contain themselves are refused, those met twice are not", function()
      local shared = { 1 }
      assert.equal("[[1],[1]]", core.encode { shared, shared })
      local loop = { a = { {} } }
      loop.a[1].b = loop.a
      local written, problem = core.encode(loop)
      assert.is_nil(written)
      assert.equal("value.a[1].b contains itself", problem)
    end)

    it("do not have their metamethods called", function()
      local called = false
      local function call()
        called = true
      end
      local metatable = { __index = call, __len = call, __pairs = call, __tostring = call }
      assert.equal('{"a":1}', core.encode(setmetatable({ a = 1 }, metatable)))
      assert.equal("[1]", core.encode(setmetatable({ 1 }, metatable)))
      assert.is_false(called)
    end)

    it("may be nested 30 deep in a field, and 3 deeper in an answer", function()
      local secret = { id = "a", secretType = "s3", params = nested(FIELD_DEPTH) }
      assert.is_true(core.check_record(secret))
      secret.params = nested(FIELD_DEPTH + 1)
      local ok, facts = core.check_record(secret)
      assert.is_nil(ok)
      assert.equal("params" .. (".d"):rep(FIELD_DEPTH), facts.field)
      assert.equal("is nested too deeply (30 levels at most)", facts.detail)
      assert.is_string(core.encode(nested(DECODE_DEPTH)))
      local written, problem = core.encode(nested(DECODE_DEPTH + 1))
      assert.is_nil(written)
      assert.equal("value" .. (".d"):rep(DECODE_DEPTH) .. " is nested too deeply", problem)
    end)

    it("read from JSON are marked when they are empty arrays, and only then", function()
      local value = core.decode('{"a":[],"b":{},"c":[[],{},[1]],"d":"[]"}')
      assert.equal(core.array_mt, getmetatable(value.a))
      assert.equal(core.array_mt, getmetatable(value.c[1]))
      assert.is_nil(getmetatable(value))
      assert.is_nil(getmetatable(value.b))
      assert.is_nil(getmetatable(value.c))
      assert.is_nil(getmetatable(value.c[2]))
      assert.is_nil(getmetatable(value.c[3]))
      assert.equal("[]", value.d)
      assert.equal(core.array_mt, getmetatable(core.decode("[ \n ]")))
    end)

    it("read from JSON hold null as core.null, and the last of several equal names", function()
      assert.same({ a = core.null, b = { core.null } }, core.decode('{"a":null,"b":[null]}'))
      assert.same({ a = 2 }, core.decode('{"a":1,"\\u0061":2}'))
      assert.equal(core.null, core.decode("null"))
    end)
  end)

  describe("text that is not strictly JSON is refused:", function()
    it("other numbers", function()
      for _, number in ipairs { "NaN", "nan", "Infinity", "-Infinity", "inf", "0x10", "01", "-01",
        "+1", ".5", "1.", "1.e5", "1e", "1e+", "--1", "-", "1_000" }
      do
        assert_unreadable("[" .. number .. "]")
        assert_unreadable(number)
      end
    end)

    it("anything after the value, or missing from it", function()
      for _, text in ipairs { "", " ", "{} x", "{}{}", "[1]]", "1 2", "{}\0", "\239\187\191{}",
        "[1,]", "[,1]", "[1 2]", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{1:2}", '{"a" 1}', "[",
        "{", '{"a":1', "[1", "tru", "True", "nulll", "falsee", "[1}", "// a\n1", "undefined" }
      do
        assert_unreadable(text)
      end
      assert.same({ 1 }, core.decode(" \t\r\n[ 1 ] \n"))
    end)

    it("raw control characters", function()
      for byte = 0, 31 do
        assert_unreadable('["a' .. string.char(byte) .. 'b"]')
      end
      assert_unreadable("[1,\v2]")
      assert_unreadable("\f1")
    end)

    it("nesting beyond 33 levels", function()
      assert.is_table(core.decode(("["):rep(DECODE_DEPTH) .. ("]"):rep(DECODE_DEPTH)))
      assert.is_table(core.decode(('{"a":'):rep(DECODE_DEPTH) .. "1" .. ("}"):rep(DECODE_DEPTH)))
      assert_unreadable(("["):rep(DECODE_DEPTH + 1) .. ("]"):rep(DECODE_DEPTH + 1))
      assert_unreadable(('{"a":'):rep(DECODE_DEPTH + 1) .. "1" .. ("}"):rep(DECODE_DEPTH + 1))
      assert_unreadable(("["):rep(1000000))
    end)
  end)

  it("params survive put, list and put again", function()
    local emulator = assert(emulators.start())
    local client = assert(core.client {
      base_url = emulator.url, connect_timeout = 5, max_response_bytes = 100000,
    })
    assert(client:authenticate(emulator.api_key, 5))
    for _, params in ipairs { core.decode(EXAMPLE), nested(FIELD_DEPTH) } do
      local written = core.encode(params)
      assert(client:put({ id = "a", secretType = "s3", params = params }, "k", 5))
      local listed = assert(client:list(nil, 5))[1]
      assert.same(params, listed.params)
      assert.equal(#written, #core.encode(listed.params)) -- the order of fields is free
      assert(client:put(listed, "k", 5))
      assert.same(params, client:list(nil, 5)[1].params)
    end
    local first = emulator:requests()[2].body
    for _, part in ipairs { '"a":[]', '"big":12345678901234567', '"pi":3.1415926535897931' } do
      if INTEGERS or not part:find("big", 1, true) then
        assert.matches(part, first, 1, true)
      end
    end
    client:close()
    emulator:stop()
  end)

  it("H2: with more empty arrays than lua-cjson can count are refused", function()
    local value, problem = core.decode("[" .. ("[],"):rep(60000000) .. "[]]")
    collectgarbage()
    assert.is_nil(value)
    assert.equal("too large", problem)
  end)
end)
