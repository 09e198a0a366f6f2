-- client:plan: what a plan says. What apply makes of it is in apply_spec.lua.

local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local STORED = {
  id = "my_key",
  secretType = "s3",
  expiresAt = "2035-12-29T18:02:27.140Z",
  accessKey = "AKIAIOSFODNN7EXAMPLE",
  params = { region = "eu", size = 5, list = { 1, 2 } },
  name = "My key",
}

-- How much slower than usual everything is, under valgrind for example.
local SLOW = tonumber(os.getenv("SPEC_SLOW")) or 1

-- Lua 5.1 loses the line of a tail call.
local PLACE = _VERSION ~= "Lua 5.1" and "^spec/plan_spec.lua:%d+: " or ""

local emulator, client

local function start(seed, options)
  options = options or {}
  options.seed = seed
  emulator = assert(emulators.start(options))
  client = assert(secrets.new { base_url = emulator.url, api_key = emulator.api_key })
end

-- STORED with other fields; false leaves one out.
local function record(changes)
  local made = core.decode(core.encode(STORED))
  for name, value in pairs(changes or {}) do
    made[name] = value
    if value == false then made[name] = nil end
  end
  return made
end

local function item(changes, key)
  return { secret = record(changes), secretKey = key }
end

-- A record of nothing but its address, with a key.
local function small(id, secret_type, key)
  return { secret = { id = id, secretType = secret_type or "s3" }, secretKey = key or "key" }
end

-- Action and address of each of a plan's actions.
local function told(plan)
  local words = {}
  for position, action in ipairs(plan.actions) do
    words[position] = ("%s %s/%s"):format(action.action, action.secretType, action.id)
  end
  return words
end

local function refused(pattern, ...)
  local plan, err = client:plan(...)
  assert.is_nil(plan)
  assert.equal("invalid", err.kind)
  assert.equal("plan", err.op)
  assert.matches(pattern, err.message)
  return err
end

local function lists()
  local found = 0
  for _, request in ipairs(emulator:requests()) do
    if request.path ~= "/v1/auth/access_token" then
      assert.equal("GET", request.method)
      found = found + 1
    end
  end
  return found
end

describe("a plan", function()
  before_each(function()
    environment.clear()
  end)

  after_each(function()
    lists()
    client:close()
    emulator:stop()
    environment.restore()
  end)

  describe("compares", function()
    it("what is stored with the items, in the order of the items", function()
      start { record(), small("same"), small("left") }
      local plan = assert(client:plan {
        small("new"),
        item({ name = "Another" }, "key"),
        small("same"),
        { secret = { id = "left", secretType = "s3" } },
      })
      assert.same({ "create s3/new", "update s3/my_key", "unknown s3/same", "unchanged s3/left" },
        told(plan))
      assert.same({ create = 1, update = 1, unknown = 1, unchanged = 1, delete = 0 }, plan.counts)
      assert.is_true(plan.changes)
      assert.equal(1, lists())
    end)

    it("field by field, and the members of params one by one", function()
      start { record() }
      local plan = assert(client:plan { item({
        name = "Another",
        expiresAt = "2036-01-01T00:00:00Z",
        params = { region = "us", size = 5, list = { 1, 3 }, new = true },
        owner = "me",
      }, "key") })
      assert.same({
        { field = "expiresAt", old = "2035-12-29T18:02:27.140Z", new = "2036-01-01T00:00:00Z" },
        { field = "name", old = "My key", new = "Another" },
        { field = "owner", new = "me" },
        { field = "params.list", old = { 1, 2 }, new = { 1, 3 } },
        { field = "params.new", new = true },
        { field = "params.region", old = "eu", new = "us" },
      }, plan.actions[1].fields)
    end)

    it("only the fields that are given", function()
      start { record { labels = { "a" } } }
      local plan = assert(client:plan { small("my_key") })
      assert.same({ "unknown s3/my_key" }, told(plan))
      assert.same({}, plan.actions[1].fields)
      plan = assert(client:plan { { secret = { id = "my_key", secretType = "s3" } } })
      assert.same({ "unchanged s3/my_key" }, told(plan))
    end)

    it("the same id under another type as another secret", function()
      start { small("k", "gcp") }
      assert.same({ "create s3/k", "unknown gcp/k" },
        told(client:plan { small("k"), small("k", "gcp") }))
    end)

    it("items that an iterator function gives", function()
      start { small("a") }
      local left = { small("b"), small("a") }
      assert.same({ "unknown s3/a", "create s3/b" },
        told(client:plan(function() return table.remove(left) end)))
    end)

    it("no longer than it takes: later changes of the items do not reach it", function()
      start { record() }
      local given = item({ params = { region = "us" } }, "key")
      local plan = assert(client:plan { given })
      local text = tostring(plan)
      given.secret.name, given.secret.params.region = "changed", "changed"
      assert.equal(text, tostring(plan))
      assert.equal("us", plan.actions[1].fields[2].new)
    end)

    it("on the default client too", function()
      start { small("a") }
      environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
      secrets.close()
      assert.same({ "unknown s3/a" }, told(secrets.plan { small("a") }))
      secrets.close()
    end)
  end)

  describe("does not call a difference", function()
    -- A field as it is stored, and as it is desired.
    local function same(name, stored, given, options)
      start({ record { [name] = stored } }, options)
      local plan = assert(client:plan { item { [name] = given } })
      assert.same({ "unchanged s3/my_key" }, told(plan))
      client:close()
      emulator:stop()
    end

    local function differs(name, stored, given)
      start { record { [name] = stored } }
      local plan = assert(client:plan { item({ [name] = given }, "key") })
      assert.same({ "update s3/my_key" }, told(plan))
      assert.is_true(#plan.actions[1].fields > 0)
      client:close()
      emulator:stop()
    end

    after_each(function() start {} end)

    it("the same time written in another way", function()
      same("expiresAt", "2035-12-29T18:02:27.140Z", "2035-12-29T18:02:27.14Z")
      same("expiresAt", "2035-12-29T18:02:27Z", "2035-12-29T19:02:27.000+01:00")
      same("expiresAt", "2035-12-29T18:02:27.140Z", "2035-12-29T18:02:27.140999Z")
      differs("expiresAt", "2035-12-29T18:02:27.140Z", "2035-12-29T18:02:27.142Z")
      differs("expiresAt", "2035-12-29T18:02:27Z", "2035-12-29T18:02:28Z")
    end)

    it("a field that is left out and one that is empty", function()
      for name, empty in pairs { name = "", accessKey = "", expiresAt = "", params = {},
        count = 0, on = secrets.null } do
        same(name, false, empty)
        same(name, empty, empty, { omit_defaults = true })
      end
      differs("name", "x", "")
      differs("params", { a = 1 }, {})
    end)

    it("numbers that are equal", function()
      same("params", { n = 5 }, { n = 5.0 })
      same("params", { n = -0.0 }, { n = 0 })
      same("params", { n = 1e15 }, { n = 10 ^ 15 })
      same("count", 5, 5.0)
      same("count", "5", 5)
      same("count", 12, "12")
      differs("params", { n = 5 }, { n = 5.5 })
      differs("params", { n = 5 }, { n = "5" })
    end)

    it("the order of params, and default values in fields that it does not know", function()
      same("params", { a = 1, b = { c = 2, d = 3 } }, { b = { d = 3, c = 2 }, a = 1 })
      same("owner", { team = "x", admin = false }, { team = "x" })
      same("owner", { team = "x" }, { team = "x", admin = false, tags = {} })
    end)

    it("but every difference within params", function()
      differs("params", { a = false }, {})
      differs("params", {}, { a = "" })
      differs("params", {}, { a = secrets.null })
      differs("params", { a = {} }, { a = setmetatable({}, secrets.array_mt) })
      differs("params", { a = { 1, 2 } }, { a = { 1 } })
      differs("params", { a = { 1 } }, { a = { 1, 2 } })
      differs("params", { a = { b = { c = 1 } } }, { a = { b = { c = 2 } } })
    end)

    it("nor a change of type", function()
      differs("owner", "x", { "x" })
      differs("owner", { "x" }, { a = "x" })
      differs("owner", { 1, 0 }, { 1 })
    end)
  end)

  describe("without a key", function()
    it("leaves a secret alone whose record is as desired", function()
      start { record() }
      local plan = assert(client:plan { item() })
      assert.is_false(plan.changes)
      assert.equal("nothing to do: 1 unchanged", tostring(plan))
    end)

    it("is refused for what has to be written, with the items named", function()
      start { record(), record { id = "other" } }
      refused("desired%[2%] s3/my_key: a secretKey is needed to write what differs: name, "
        .. "params.region", {
        item { id = "other" },
        item { name = "x", params = { region = "us", size = 5, list = { 1, 2 } } },
      })
      refused("desired%[1%] s3/new: a secretKey is needed, as the secret is not stored yet",
        { item { id = "new" } })
    end)

    it("tells the first few and the number of the others", function()
      start {}
      local items = {}
      for number = 1, 20 do
        items[number] = item { id = "new" .. number }
      end
      local err = refused("^plan: desired%[1%] s3/new1: .*; desired%[3%] s3/new3: .*; "
        .. "and 17 more$", items)
      assert.is_false(err.ambiguous)
    end)
  end)

  describe("deletes", function()
    local SEED = { small("test_1"), small("test_2"), small("latest"), small("test_1", "gcp") }

    it("nothing without prune", function()
      start(SEED)
      assert.same({}, told(client:plan({}, { max_delete = 100 })))
    end)

    it("what is not desired, of one type, where the whole id matches, after all else", function()
      start(SEED)
      local plan = assert(client:plan({ small("new"), small("test_2") },
        { prune = { secretType = "s3", match = "test.*" } }))
      assert.same({ "create s3/new", "unknown s3/test_2", "delete s3/test_1" }, told(plan))
      assert.equal(1, plan.counts.delete)
    end)

    local function deleted(match)
      local plan = assert(client:plan({}, { prune = { secretType = "s3", match = match } }))
      assert.equal(plan.counts.delete > 0, plan.changes)
      return told(plan)
    end

    it("by a pattern for the whole id, whether it is anchored or not", function()
      start(SEED)
      for _, match in ipairs { "test", "^test", "est_1", "test_1$$", "test_1%$", "", "^$" } do
        assert.same({}, deleted(match), match)
      end
      for _, match in ipairs { "test_1", "^test_1", "test_1$", "^test_1$", "t.-1" } do
        assert.same({ "delete s3/test_1" }, deleted(match), match)
      end
      assert.same({ "delete s3/latest", "delete s3/test_1", "delete s3/test_2" }, deleted(".*"))
    end)

    it("by a pattern that ends with an escaped anchor", function()
      start { small("a$"), small("a$b"), small("a%") }
      assert.same({ "delete s3/a$" }, deleted("a%$"))
      assert.same({ "delete s3/a%" }, deleted("a%%$"))
    end)

    it("by a function, which is asked about the type only and cannot change the records",
      function()
        start(SEED)
        local asked = {}
        assert.same({ "delete s3/latest" }, deleted(function(secret)
          asked[#asked + 1] = secret.secretType .. "/" .. secret.id
          secret.secretType = "changed"
          return secret.id == "latest"
        end))
        assert.same({ "s3/latest", "s3/test_1", "s3/test_2" }, asked)
      end)

    it("at most max_delete, which is 10 unless it is given", function()
      local seed = {}
      for number = 1, 11 do
        seed[number] = small(("k%02d"):format(number))
      end
      start(seed)
      local prune = { secretType = "s3", match = ".*" }
      local err = refused("prune selects 11 to delete, and max_delete is 10: s3/k01, s3/k02, "
        .. "s3/k03, and 8 more", {}, { prune = prune })
      assert.matches("max_delete", err.hint)
      refused("selects 11 to delete, and max_delete is 0", {}, { prune = prune, max_delete = 0 })
      assert.equal(11, client:plan({}, { prune = prune, max_delete = 11 }).counts.delete)
      assert.equal(10, client:plan({ small "k01" }, { prune = prune }).counts.delete)
    end)

    it("only with a type that can be", function()
      start(SEED)
      refused("prune.secretType is empty", {}, { prune = { secretType = "", match = ".*" } })
    end)

    it("nothing that has no address", function()
      start {}
      emulator:fail { op = "list", body = '{"secrets":[{"secretType":"s3"},{"id":"x"},'
        .. '{"id":5,"secretType":"s3"},{"id":"..","secretType":"s3"},{"id":"a\\u001b",'
        .. '"secretType":"s3"},{"id":"ok","secretType":"s3"},{"id":"ok","secretType":"s3"}]}' }
      assert.same({ "delete s3/ok" }, deleted(".*"))
    end)
  end)

  describe("is refused", function()
    it("for a secret that is desired twice", function()
      start {}
      refused("desired%[3%] s3/a is the same secret as desired%[1%]",
        { small("a"), small("a", "gcp"), small("a") })
      assert.equal(0, lists())
    end)

    it("for values that cannot be sent, before anything is listed", function()
      start {}
      local cycle = {}
      cycle.again = cycle
      local wiped = secrets.from_string "x"
      wiped:wipe()
      for pattern, given in pairs {
        ["desired%[1%] s3/: id is empty"] = small(""),
        ["id is %. or %.%."] = small(".."),
        ["id holds a control character"] = small("a\nb"),
        ["secretType is not UTF%-8"] = small("a", "\255"),
        ["params.again contains itself"] = item({ params = cycle }, "key"),
        ["params is an array"] = item({ params = { 1 } }, "key"),
        ["params.n is NaN"] = item({ params = { n = 0 / 0 } }, "key"),
        ["expiresAt is not an RFC 3339 timestamp"] = item({ expiresAt = "tomorrow" }, "key"),
        ["my_key: secretKey is empty"] = item({}, ""),
        ["my_key: secretKey is longer than 64 KiB"] = item({}, ("x"):rep(65537)),
        ["my_key: secretKey is not UTF%-8"] = item({}, "\255"),
        ["my_key: secretKey was wiped"] = item({}, wiped),
      } do
        refused(pattern, { given })
      end
      assert.equal(0, lists())
    end)

    it("when the listing fails, with its error", function()
      start { record() }
      emulator:fail { op = "list", status = 403 }
      local plan, err = client:plan { item({}, "key") }
      assert.is_nil(plan)
      assert.equal("forbidden", err.kind)
      assert.equal("list", err.op)
    end)

    it("for a stored record that cannot be written back", function()
      start {}
      local function listing(fields)
        emulator:fail { op = "list",
          body = '{"secrets":[{"id":"a","secretType":"s3",' .. fields .. "}]}" }
      end
      listing '"name":5'
      refused("desired%[1%] s3/a: the stored record cannot be kept: secret.name: string expected",
        { small("a") })
      listing '"params":{"n":123456789012345678901234567890}'
      refused("desired%[1%] s3/a: the record holds an integer that this Lua would round",
        { small("a") })
      listing '"params":{"n":123456789012345678901234567890}'
      assert(client:plan { { secret = { id = "a", secretType = "s3" } } })
      listing '"params":[1]'
      refused("desired%[1%] s3/a: params is an array", { small("a") })
      listing '"params":[1],"name":5'
      assert(client:plan { item({ id = "a" }, "key") })
    end)
  end)

  describe("warns", function()
    local function warnings(items, options)
      return client:plan(items, options).warnings
    end

    it("of ids that cannot be part of a shell variable's name", function()
      start {}
      assert.same({ "s3/my-key: id cannot be part of a shell variable's name, as which a job "
        .. "sees it" }, warnings { small("fine"), small("my-key") })
    end)

    it("of secrets that a job would see under the same name", function()
      start {}
      assert.same({ "gcp/a: a job would see it as a_SECRET_KEY, like s3/a" },
        warnings { small("a"), small("a", "gcp"), small("b"), small("a", "other") })
      assert.same({ "other/a_SECRET_KEY: a job would see it as a_SECRET_KEY, like s3/a" },
        warnings { small("a"), small("a_SECRET_KEY", "other") })
      assert.same({ "s3/a: a job would see it as a_ACCESS_KEY, like other/a_ACCESS_KEY" },
        warnings { small("a_ACCESS_KEY", "other"), small("a") })
    end)

    it("of those among what is stored too, unless it is to be deleted", function()
      start { small("a", "gcp"), small("b", "gcp"), small("b", "aws") }
      assert.same({ "gcp/a: a job would see it as a_SECRET_KEY, like s3/a" },
        warnings { small("a") })
      assert.same({}, warnings({ small("a") }, { prune = { secretType = "gcp", match = "a" } }))
    end)

    it("of stray newlines in keys, without showing or exposing them", function()
      start {}
      local warning = "s3/%s: secretKey begins or ends with a newline"
      local found = warnings {
        small("a", "s3", "hunter2\n"),
        small("b", "s3", secrets.from_string "\r\nhunter2"),
        small("c", "s3", secrets.from_string "hunter2"),
        small("d", "s3", "-----BEGIN-----\nhunter2\n"),
        small("e", "s3", function() error "is asked by apply only" end),
        small("f", "s3", "\n"),
      }
      assert.same({ warning:format "a", warning:format "b", warning:format "f" }, found)
    end)

    it("of stray newlines in other strings", function()
      start {}
      assert.same({
        "s3/my_key: accessKey holds a newline",
        "s3/my_key: name begins or ends with white space",
        "s3/my_key: labels.1 begins or ends with a newline",
        "s3/my_key: params.a.b begins or ends with a newline",
        "s3/my_key: params.b begins or ends with a newline",
        "s3/my_key: params.c begins or ends with a newline",
        "s3/my_key: params.d begins or ends with a newline",
      }, warnings { item({ accessKey = "A\n", name = " x", labels = { "x\n" },
        params = { a = { b = "\nx" }, text = "a\nb\n", b = "\n", c = "x\r\n", d = "x\n" } },
        "key") })
    end)

    it("of an expiry in the past, also where nothing is to be done", function()
      start { record { expiresAt = "2020-01-01T00:00:00Z" } }
      assert.same({ "s3/my_key: expiresAt has passed" },
        warnings { item { expiresAt = "2020-01-01T00:00:00Z" } })
    end)
  end)

  describe("as text", function()
    it("is a diff with a summary", function()
      start { record(), small("same"), small("left"), small("old") }
      local plan = client:plan({
        item({ id = "new", params = { z = 1, a = { { b = true, a = secrets.null } } } }, "key"),
        item({ name = "", params = { region = "us", size = 5.5 } }, "key"),
        small("same"),
        { secret = { id = "left", secretType = "s3" } },
        small("my-id"),
      }, { prune = { secretType = "s3", match = "old" } })
      assert.equal([[
+ create s3/new
    accessKey: "AKIAIOSFODNN7EXAMPLE"
    expiresAt: "2035-12-29T18:02:27.140Z"
    name: "My key"
    params.a: [{"a": null, "b": true}]
    params.z: 1
~ update s3/my_key
    name: "My key" -> ""
    params.list: [1, 2] -> (none)
    params.region: "eu" -> "us"
    params.size: 5 -> 5.5
? unknown s3/same
+ create s3/my-id
- delete s3/old
2 to create, 1 to update, 1 unknown (the key is written, as it cannot be compared), ]]
        .. [[1 to delete, 1 unchanged
warning: s3/my-id: id cannot be part of a shell variable's name, as which a job sees it]],
        tostring(plan))
    end)

    it("says that there is nothing to do", function()
      start { record() }
      assert.equal("nothing to do", tostring(client:plan {}))
      assert.equal("nothing to do: 1 unchanged", tostring(client:plan { item() }))
    end)

    it("shows no keys, nor does anything else of the plan", function()
      start { small("a") }
      local plan = client:plan {
        small("a", "s3", "hunter2\n"), small("b", "s3", secrets.from_string "hunter2"),
      }
      assert.is_nil(tostring(plan):find("hunter2", 1, true))
      local function search(value)
        if type(value) == "table" then
          for name, inner in pairs(value) do
            search(name)
            search(inner)
          end
        else
          assert.is_nil(tostring(value):find("hunter", 1, true))
          assert.is_false(core.is_secret_string(value))
        end
      end
      search(plan)
    end)

    it("holds nothing that a terminal obeys, and is short", function()
      local hostile = "a\27[31m\226\128\174\194\155x\n\r\7" .. ("y"):rep(1000)
      start { record { name = hostile, params = { [hostile] = hostile } },
        record { id = "u\226\128\174" } }
      local plan = client:plan({ item({ params = { ["x\27[2J"] = "\127" } }, "key") },
        { prune = { secretType = "s3", match = "u.*" } })
      local text = tostring(plan)
      assert.is_nil(text:find("[%z\1-\9\11-\31\127]"))
      assert.is_nil(text:find("\226\128\174", 1, true))
      assert.is_nil(text:find("\194\155", 1, true))
      for line in text:gmatch "[^\n]+" do
        assert.is_true(#line <= 340, line)
      end
      assert.matches("\n%- delete s3/u", text)
    end)

    it("is JSON's arrays and objects for programs", function()
      start { record() }
      local plan = client:plan { item() }
      assert.equal("[]", core.encode(plan.warnings))
      assert.equal("[]", core.encode(plan.actions[1].fields))
      assert.equal("[]", core.encode(client:plan({}).actions))
    end)
  end)

  describe("raises", function()
    local KEY = ": string, SecretString or function expected, got "

    it("for misuse, at the caller's line, and sends nothing", function()
      start {}
      local function raises(message, ...)
        local ok, raised = pcall(client.plan, client, ...)
        assert.is_false(ok)
        assert.equal(message, raised)
      end
      raises("plan: desired: array or function expected, got nil")
      raises("plan: desired: array or function expected, got SecretString",
        secrets.from_string "x")
      raises("plan: desired: an array from 1 to n without holes expected",
        { secrets = { small "a" } })
      raises("plan: desired: an array from 1 to n without holes expected",
        { [1] = small "a", [3] = small "b" })
      raises("plan: desired[1]: table expected, got string", { "s3/a" })
      raises('plan: desired[1]: unknown field "id" (there are secret, secretKey)',
        { { id = "a" } })
      raises("plan: desired[2]: secret.id is missing",
        { small "a", { secret = { secretType = "s3" } } })
      raises("plan: desired[1]: secret: table expected, got nil", { { secretKey = "x" } })
      raises("plan: desired[1]: secret.name: string expected, got number", { item { name = 5 } })
      raises("plan: desired[1]: secretKey" .. KEY .. "number", { item({}, 123456) })
      raises("plan: desired[1]: secretKey" .. KEY .. "boolean", { item({}, false) })
      raises("plan: desired[1]: table expected, got number", function() return 1 end)
      raises("plan: options: table expected, got number", {}, 1)
      raises('plan: unknown option "purge" (there are max_delete, prune)', {}, { purge = 1 })
      raises("plan: option max_delete: a whole number from 0 to 2147483648 expected, got -1", {},
        { max_delete = -1 })
      raises("plan: option prune: table expected, got boolean", {}, { prune = true })
      raises("plan: prune: option secretType is missing", {}, { prune = {} })
      raises("plan: prune: option secretType is missing", {}, { prune = { match = ".*" } })
      raises('plan: prune: option match is missing (".*" matches every id)', {},
        { prune = { secretType = "s3" } })
      raises("plan: prune: option match: string or function expected, got table", {},
        { prune = { secretType = "s3", match = {} } })
      raises('plan: prune: unknown option "type" (there are match, secretType)', {},
        { prune = { type = "s3" } })
      raises("plan: too many arguments", {}, {}, 1)
      assert.same({}, emulator:requests())
    end)

    it("with the line of the call", function()
      start {}
      for _, called in ipairs {
        function() local a = client:plan(1) return a end,
        function() local a = client:plan { small("a"), {} } return a end,
        function() local a = client:plan { [2] = 1 } return a end,
        function() local a = client:plan({}, { x = 1 }) return a end,
        function() local a = client:plan({}, { prune = { x = 1 } }) return a end,
        function() local a = client:plan({}, { prune = {} }) return a end,
        function() local a = client:plan({}, {}, 1) return a end,
      } do
        local _, message = pcall(called)
        assert.matches(PLACE .. "plan: ", message)
      end
    end)

    it("what an iterator or a match raises", function()
      start { small "a" }
      local thrown = {}
      local function throw() error(thrown) end
      local ok, raised = pcall(client.plan, client, throw)
      assert.is_false(ok)
      assert.equal(thrown, raised)
      ok, raised = pcall(client.plan, client, {}, { prune = { secretType = "s3", match = throw } })
      assert.is_false(ok)
      assert.equal(thrown, raised)
    end)

    it("for a pattern that is none", function()
      start { small "a" }
      local ok, raised = pcall(function()
        local plan = client:plan({}, { prune = { secretType = "s3", match = "[a" } })
        return plan
      end)
      assert.is_false(ok)
      assert.matches(PLACE .. "plan: prune: option match: malformed pattern", raised)
    end)
  end)

  it("of thousands of secrets takes no more than their number", function()
    local seed, items = {}, {}
    for number = 1, 5000 do
      seed[number] = record { id = "stored" .. number }
      items[number] = item({ id = (number % 2 == 0 and "stored" or "new") .. number }, "key")
    end
    start(seed)
    local started = os.clock()
    local plan = assert(client:plan(items, { prune = { secretType = "s3", match = ".*" },
      max_delete = 5000 }))
    local length = #tostring(plan)
    assert.is_true(os.clock() - started < 10 * SLOW)
    assert.same({ create = 2500, update = 0, unknown = 2500, unchanged = 0, delete = 2500 },
      plan.counts)
    assert.is_true(length > 100000)
  end)
end)
