-- bytenite-secrets plan, and the files that it reads

local cjson = require "cjson"
local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"

describe("plan", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = {
      { id = "same", secretType = "s3", name = "Same" },
      { id = "renamed", secretType = "s3", name = "Old" },
      { id = "test_1", secretType = "s3" }, { id = "test_2", secretType = "s3" },
      { id = "extr\195\164", secretType = "other" }, { id = "z", secretType = "x:y" },
    } })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, TERM = "xterm",
      NO_COLOR = false, PLAN_KEY = "MARKER-env",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local FILE = [[{ "secrets": [
    { "id": "same", "secretType": "s3", "name": "Same" },
    { "id": "renamed", "secretType": "s3", "name": "New", "secretKey": { "env": "PLAN_KEY" } },
    { "id": "created", "secretType": "gcp", "params": { "n": 1234567890123456, "list": [] },
      "secretKey": { "file": "/nowhere" } }
  ] }]]

  local function plan(text, ...)
    return command.run { "plan", command.file("plan.json", text), ... }
  end

  it("shows what would change, changes nothing, and ends with 8", function()
    local result = plan(FILE)
    assert.are.equal("", result.stderr)
    assert.are.equal([[
~ update s3/renamed
    name: "Old" -> "New"
+ create gcp/created
    params.list: []
    params.n: 1234567890123456
1 to create, 1 to update, 1 unchanged
]], result.stdout)
    assert.are.equal(8, result.status)
    for _, request in ipairs(emulator:requests()) do
      assert.is_true(request.method == "GET" or request.path:find("access_token") ~= nil)
    end
  end)

  it("ends with 0 when there is nothing to do", function()
    local result = plan '{ "secrets": [ { "id": "same", "secretType": "s3" } ] }'
    assert.are.same({ status = 0, stderr = "", stdout = "nothing to do: 1 unchanged\n" }, result)
    assert.are.equal(0, plan('{ "secrets": [] }').status)
  end)

  it("takes what list --json writes", function()
    local listed = command.run { "list", "--json" }
    assert.are.equal(0, plan(listed.stdout).status)
  end)

  it("calls a key that it cannot compare unknown, and does not read it", function()
    local result = plan [[{ "secrets": [
      { "id": "same", "secretType": "s3", "secretKey": { "env": "NOT_SET" } } ] }]]
    assert.are.equal(8, result.status)
    assert.matches("^%? unknown s3/same\n", result.stdout)
  end)

  it("writes JSON", function()
    local result = plan(FILE, "--json")
    assert.are.equal(8, result.status)
    local found = cjson.decode(result.stdout)
    assert.are.same({ create = 1, update = 1, unknown = 0, unchanged = 1, delete = 0 },
      found.counts)
    assert.is_true(found.changes)
    assert.are.same({}, found.warnings)
    assert.are.same({ action = "update", secretType = "s3", id = "renamed",
      fields = { { field = "name", old = "Old", new = "New" } } }, found.actions[2])
  end)

  it("deletes only under --prune, by type and pattern, and not too many", function()
    local empty = '{ "secrets": [ { "id": "same", "secretType": "s3" } ] }'
    assert.are.equal([[
- delete s3/renamed
- delete s3/test_1
- delete s3/test_2
3 to delete, 1 unchanged
]], plan(empty, "--prune", "s3").stdout)
    assert.are.equal("- delete s3/test_1\n- delete s3/test_2\n2 to delete, 1 unchanged\n",
      plan(empty, "--prune", "s3:test_*").stdout)
    assert.are.equal("- delete s3/test_1\n1 to delete, 1 unchanged\n",
      plan(empty, "--prune", "s3:t?st_1").stdout)
    assert.are.equal("- delete other/extr\195\164\n1 to delete, 1 unchanged\n",
      plan(empty, "--prune", "other:e?tr?").stdout)
    assert.are.equal("- delete x:y/z\n1 to delete, 1 unchanged\n",
      plan(empty, "--prune", "x%3Ay:z").stdout)
    assert.are.equal(0, plan(empty, "--prune", "other:extr??").status)
    assert.are.equal(0, plan(empty, "--prune", "s3:test").status)
    assert.are.equal(0, plan(empty, "--prune", "s3:te.*").status)
    local result = plan(empty, "--prune", "s3", "--max-delete", "2")
    assert.are.equal(2, result.status)
    assert.matches("max_delete", result.stderr)
  end)

  it("warns of a key that stands in the file, and does not show it", function()
    local path = command.file("plan.json",
      '{ "secrets": [ { "id": "a", "secretType": "s3", "secretKey": "MARKER-literal" } ] }')
    local result = command.run { "plan", path }
    assert.are.equal(8, result.status)
    assert.are.equal("bytenite-secrets: warning: " .. path .. ": the key of secrets[1] stands "
      .. 'there as it is; { "env": NAME } or { "file": PATH } keeps it out\n', result.stderr)
  end)

  it("passes on what plan warns of", function()
    local result = plan [[{ "secrets": [
      { "id": "a-b", "secretType": "s3", "secretKey": { "env": "X" } } ] }]]
    assert.matches("\nwarning: s3/a%-b: id cannot be part", result.stdout)
  end)

  it("is coloured on a terminal", function()
    local path = command.file("plan.json", FILE)
    local status, screen = command.watch { "plan", path, "--prune", "other" }
    assert.are.equal(8, status)
    assert.matches("\27%[33m~ update s3/renamed\27%[0m\n", screen)
    assert.matches("\27%[32m%+ create gcp/created\27%[0m\n", screen)
    assert.matches("\27%[31m%- delete other/extr\195\164\27%[0m\n", screen)
    status, screen = command.watch { "plan", path, before = "NO_COLOR=1" }
    assert.are.equal(8, status)
    assert.not_matches("\27", screen)
  end)

  describe("of a Lua file", function()
    local function plan_lua(code, ...)
      return command.run { "plan", command.file("plan.lua", code), ... }
    end

    it("is that of what it returns", function()
      local result = plan_lua [[
        local secrets = {}
        for _, name in ipairs { "a", "b" } do
          secrets[#secrets + 1] = { id = name, secretType = "s3", name = ("x"):rep(3),
            secretKey = { env = name:upper() .. "_KEY" } }
        end
        return { secrets = secrets }
      ]]
      assert.are.equal("", result.stderr)
      assert.are.equal('+ create s3/a\n    name: "xxx"\n+ create s3/b\n    name: "xxx"\n'
        .. "2 to create\n", result.stdout)
    end)

    it("does not let it out", function()
      for _, name in ipairs {
        "os", "io", "require", "load", "loadstring", "loadfile", "dofile", "debug", "package",
        "_G", "getmetatable", "setmetatable", "rawset", "collectgarbage", "print", "coroutine",
        "setfenv", "getfenv", "jit", "ffi", "arg",
      } do
        local result = plan_lua("assert(" .. name .. " == nil) return { secrets = {} }")
        assert.are.equal(0, result.status, result.stderr)
      end
      assert.are.equal(0, plan_lua("assert(string.dump == nil) return { secrets = {} }").status)
    end)

    it("is of its own copies of the libraries", function()
      local result = plan_lua [[
        string.format = error
        table.concat = nil
        for name in pairs(math) do math[name] = nil end
        return { secrets = { { id = "same", secretType = "s3" } } }
      ]]
      assert.are.same({ status = 0, stderr = "", stdout = "nothing to do: 1 unchanged\n" }, result)
    end)

    it("tells where it fails", function()
      for code, message in pairs {
        ["return {"] = "plan.lua:1: .*expected",
        ["\nerror 'no'"] = "plan.lua:2: no",
        ["return os.getenv('HOME')"] = "plan.lua:1: .*os",
        ["error {}"] = "plan.lua: table",
        ["return nil"] = 'has no list "secrets"',
        ["return { secrets = { [1] = {}, [3] = {} } }"] = "has gaps",
        [string.dump(function() return { secrets = {} } end)] = "plan.lua: ",
        ["\27Lua"] = "plan.lua: ",
      } do
        local result = plan_lua(code)
        assert.are.equal(2, result.status)
        assert.are.equal("", result.stdout)
        assert.matches(message, result.stderr)
      end
      assert.are.same({}, emulator:requests())
    end)

    it("quotes no key when it is no Lua", function()
      for _, text in ipairs {
        '"MARKER\n', "'MARKER\n", '"a" "MARKER"', '"MARKER\\999"', "3MARKER",
      } do
        local result = plan_lua("return { secrets = { {\n secretKey = " .. text .. " } } }")
        assert.are.equal(2, result.status)
        assert.matches("plan.lua:2: ", result.stderr)
      end
    end)

    it("can be interrupted, whatever it catches", function()
      for _, code in ipairs {
        "while true do end",
        "local function idle() while true do end end\n while true do pcall(idle) end",
      } do
        local path = command.file("plan.lua", code)
        local terminal = command.on_terminal { "plan", path, before = "echo ready;" }
        terminal:expect "ready"
        os.execute("sleep 0.3")
        terminal:type "\3"
        local status, screen = terminal:finish()
        assert.are.equal(130, status)
        assert.matches("bytenite%-secrets: interrupted", screen)
      end
    end)

    it("may catch its own errors", function()
      local result = plan_lua [[
        local ok, problem, more = pcall(error, "no")
        assert(not ok and problem == "no" and more == nil)
        assert(select("#", pcall(function() return 1, nil, nil end)) == 4)
        return { secrets = {} }
      ]]
      assert.are.same({ status = 0, stderr = "", stdout = "nothing to do\n" }, result)
    end)
  end)

  it("of a file that is not as it has to be ends with 2 and sends nothing", function()
    local entry = '{ "secrets": [ %s ] }'
    for text, message in pairs {
      [""] = "not JSON at byte 1",
      ["{"] = "not JSON",
      ["[]"] = 'has no list "secrets"',
      ["{}"] = 'has no list "secrets"',
      ['{ "secrets": {"a":1} }'] = "is not a list",
      ['{ "secrets": 1 }'] = 'has no list "secrets"',
      ['{ "secrets": [], "more": 1 }'] = 'unknown field "more"',
      [entry:format("1")] = "secrets%[1%] is no object",
      [entry:format("null")] = "secrets%[1%] is no object",
      [entry:format("{}")] = "secrets%[1%]: .*secretType is missing",
      [entry:format('{ "id": 1, "secretType": "s3" }')] = "secrets%[1%]: .*id: string expected",
      [entry:format('{ "id": "a", "secretType": "s3", "name": null }')] = "%]: name is null",
      [entry:format('{ "id": "a", "secretType": "s3", "secretKey": null }')] = "Key is null",
      [entry:format('{ "id": "..", "secretType": "s3" }')] = "secrets%[1%]: id",
      [entry:format('{ "id": "a", "secret_type": "s3" }')] = "written secretType",
      [entry:format('{ "id": "a", "secretType": "s3", "secretKey": 1 }')] = "secretKey is {",
      [entry:format('{ "id": "a", "secretType": "s3", "secretKey": {} }')] = "secretKey is {",
      [entry:format('{ "id": "a", "secretType": "s3", "secretKey": { "env": 1 } }')] =
        "secretKey is {",
      [entry:format('{ "id": "a", "secretType": "s3", '
        .. '"secretKey": { "env": "A", "file": "B" } }')] = "secretKey is {",
      [entry:format('{ "id": "a", "secretType": "s3", "expiresAt": "soon" }')] = "RFC 3339",
      [entry:format('{ "id": "a", "secretType": "s3", "params": { "n": 18446744073709551617 } }')] =
        "an integer that this Lua would round",
    } do
      local result = plan(text)
      assert.are.equal(2, result.status, text .. result.stderr)
      assert.are.equal("", result.stdout)
      assert.matches("plan.json: ", result.stderr)
      assert.matches(message, result.stderr)
    end
    assert.are.equal(2, command.run({ "plan", "/nowhere.json" }).status)
    assert.are.equal(2, command.run({ "plan", "/" }).status)
    assert.are.same({}, emulator:requests())
  end)

  it("with bad arguments shows its usage and sends nothing", function()
    local path = command.file("plan.json", FILE)
    for _, words in ipairs {
      { "plan" }, { "plan", path, path }, { "plan", path, "--prune", "" },
      { "plan", path, "--prune", ":x" }, { "plan", path, "--prune", "s3:" },
      { "plan", path, "--prune", ".." }, { "plan", path, "--prune", "a\nb:x" },
      { "plan", path, "--prune", "s3", "--prune", "gcp" },
      { "plan", path, "--max-delete", "x" }, { "plan", path, "--max-delete", "-1" },
      { "plan", path, "--yes" },
    } do
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets plan", result.stderr)
    end
    assert.are.same({}, emulator:requests())
  end)
end)
