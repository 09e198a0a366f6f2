-- client:apply: what becomes of a plan.

local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local PRUNE = { prune = { secretType = "s3", match = "old.*" } }

-- How much slower than usual everything is, under valgrind for example.
local SLOW = tonumber(os.getenv("SPEC_SLOW")) or 1

-- Lua 5.1 loses the line of a tail call.
local PLACE = _VERSION ~= "Lua 5.1" and "^spec/apply_spec.lua:%d+: " or ""

local emulator, client

local function new_client(options)
  options = options or {}
  options.base_url = options.base_url or emulator.url
  options.api_key = emulator.api_key
  options.retries = 0
  return assert(secrets.new(options))
end

local function start(seed, options)
  options = options or {}
  options.seed = seed
  emulator = assert(emulators.start(options))
  client = new_client()
end

local function stop()
  client:close()
  emulator:stop()
end

local function small(id, key, name)
  return { secret = { id = id, secretType = "s3", name = name }, secretKey = key or "key" }
end

local function planned(items, options)
  local plan = assert(client:plan(items, options))
  return plan
end

-- Address -> record with its key, as the service has it now.
local function state()
  local found = {}
  for _, secret in ipairs(emulator:secrets()) do
    found[secret.secretType .. "/" .. secret.id] = secret
  end
  return found
end

local function writes()
  local found = {}
  for _, request in ipairs(emulator:requests()) do
    if request.method ~= "GET" and request.path ~= "/v1/auth/access_token" then
      found[#found + 1] = request.method
    end
  end
  return found
end

-- The operations of a report, each with the kind of its error.
local function told(report)
  local words = {}
  for position, result in ipairs(report.results) do
    words[position] = result.ok and result.op or result.op .. " " .. result.err.kind
    assert.equal(result.ok, result.receipt ~= nil)
    assert.equal(not result.ok, result.err ~= nil)
    if result.err then assert.equal(result.op, result.err.op) end
  end
  assert.equal(report.done + report.failed, #report.results)
  assert.equal(report.ok, report.failed == 0)
  return words
end

describe("applying a plan", function()
  before_each(function()
    environment.clear()
  end)

  after_each(function()
    stop()
    environment.restore()
  end)

  it("creates and updates in the order of the items, then deletes", function()
    start { small("old1"), small("same", "before"), small("changed"), small("old2"), small("left") }
    local report = assert(client:apply(planned({
      small("new2"), small("same", "after"), small("changed", "key", "New"),
      { secret = { id = "left", secretType = "s3" } }, small("new1"),
    }, PRUNE)))
    assert.same({ "put s3/new2", "put s3/same", "put s3/changed", "put s3/new1",
      "delete s3/old1", "delete s3/old2" }, told(report))
    assert.is_true(report.ok)
    assert.equal(6, report.done)
    local now = state()
    assert.equal("after", now["s3/same"].secretKey)
    assert.equal("New", now["s3/changed"].name)
    assert.is_nil(now["s3/old1"])
    assert.equal("key", now["s3/left"].secretKey)
    assert.equal(5, #emulator:secrets())
    assert.equal("DELETE", writes()[6])
  end)

  it("leaves nothing to create, update or delete", function()
    start { small("old"), small("changed") }
    local items = { small("new"), small("changed", "key", "New") }
    assert(client:apply(planned(items, PRUNE)))
    local plan = planned(items, PRUNE)
    assert.same({ create = 0, update = 0, unknown = 2, unchanged = 0, delete = 0 }, plan.counts)
    for _, item in ipairs(items) do
      item.secretKey = nil
    end
    assert.is_false(planned(items, PRUNE).changes)
  end)

  it("with nothing to do is a report of nothing", function()
    start { small("a") }
    assert.same({ ok = true, done = 0, failed = 0, results = {} }, client:apply(planned {}))
    assert.same({}, writes())
  end)

  it("keeps what the items do not give", function()
    start { { id = "a", secretType = "s3", name = "old", accessKey = "AKIA", params = { x = { 1 } },
      expiresAt = "2035-12-29T18:02:27.140Z", labels = { "l" } } }
    assert(client:apply(planned { small("a", "k1", "new") }))
    local wanted = { id = "a", secretType = "s3", name = "new", accessKey = "AKIA",
      params = { x = { 1 } }, expiresAt = "2035-12-29T18:02:27.140Z", labels = { "l" },
      secretKey = "k1" }
    assert.same(wanted, state()["s3/a"])
    assert(client:apply(planned { small("a", "k2") }))
    wanted.secretKey = "k2"
    assert.same(wanted, state()["s3/a"])
  end)

  it("empties the fields that the items give as empty", function()
    start { { id = "a", secretType = "s3", name = "x", accessKey = "x", params = { x = 1 },
      expiresAt = "2035-12-29T18:02:27.140Z" } }
    local items = { { secret = { id = "a", secretType = "s3", name = "", accessKey = "",
      params = {}, expiresAt = "" }, secretKey = "k" } }
    assert(client:apply(planned(items)))
    assert.same({ id = "a", secretType = "s3", name = "", accessKey = "", params = {},
      secretKey = "k" }, state()["s3/a"])
    assert.equal(1, planned(items).counts.unknown)
  end)

  it("does what the plan showed, whatever has become of the items and its tables", function()
    start {}
    local item = small("a", "key", "shown")
    item.secret.params = { list = { "shown" } }
    local plan = planned { item }
    item.secret.name, item.secret.id, item.secretKey = "changed", "changed", "changed"
    item.secret.params.list[1] = "changed"
    plan.actions[1].id = "changed"
    assert.equal("params.list", plan.actions[1].fields[2].field)
    plan.actions[1].fields[2].new[1] = "changed"
    plan.actions[2] = { action = "delete", secretType = "s3", id = "a", fields = {} }
    assert(client:apply(plan))
    assert.same({ ["s3/a"] = { id = "a", secretType = "s3", name = "shown",
      params = { list = { "shown" } }, secretKey = "key" } }, state())
  end)

  it("asks the functions for keys, once each, which the plan did not", function()
    start {}
    local asked = 0
    local function key()
      asked = asked + 1
      return secrets.from_string("key" .. asked)
    end
    local plan = planned { small("a", key), small("b", function() return nil, "no key" end) }
    assert.equal(0, asked)
    local report = assert(client:apply(plan))
    assert.equal(1, asked)
    assert.same({ "put s3/a", "put s3/b config" }, told(report))
    assert.equal("key1", state()["s3/a"].secretKey)
  end)

  it("tells the progress over all of it", function()
    start { small("old1"), small("old2") }
    local seen = {}
    assert(client:apply(planned({ small("a"), small("b") }, PRUNE), {
      concurrency = 1,
      on_progress = function(done, total) seen[#seen + 1] = done .. "/" .. total end,
    }))
    assert.same({ "1/4", "2/4", "3/4", "4/4" }, seen)
  end)

  it("works on the default client too", function()
    start {}
    environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
    secrets.close()
    assert.is_true(secrets.apply(secrets.plan { small("a") }).ok)
    assert.equal("key", state()["s3/a"].secretKey)
    secrets.close()
  end)

  describe("of a listing that has changed since", function()
    local function conflict(pattern, plan)
      local before = #writes()
      local report, err = client:apply(plan)
      assert.is_nil(report)
      assert.equal("conflict", err.kind)
      assert.equal("apply", err.op)
      assert.matches(pattern, err.message)
      assert.is_false(err.ambiguous)
      assert.equal(before, #writes())
    end

    it("is a conflict that names the records, and writes nothing", function()
      start { small("a"), small("b"), small("c") }
      local plan = planned { small("new", "hunter2") }
      assert(client:put(small("b", nil, "New name").secret, "hunter2"))
      conflict("the listing has changed since the plan was made: s3/b has changed$", plan)
      assert(client:delete("s3", "a"))
      assert(client:put({ id = "d", secretType = "gcp" }, "x"))
      conflict(": s3/a is gone, s3/b has changed, gcp/d is new$", plan)
      assert(client:delete("s3", "c"))
      conflict(": s3/a is gone, s3/b has changed, s3/c is gone, and 1 more$", plan)
    end)

    it("is one also when there is nothing to do, or only another field differs", function()
      start { { id = "a", secretType = "s3", labels = { "x" } } }
      local plan = planned {}
      assert(client:put({ id = "a", secretType = "s3", labels = { "y" } }, "x"))
      conflict("s3/a has changed", plan)
    end)

    it("is none when only the service writes it otherwise", function()
      start { small("a"), small("b") }
      local plan = planned { small("new") }
      emulator:fail { op = "list", body = '{"secrets":[{"id":"b","secretType":"s3","params":{}},'
        .. '{"id":"a","secretType":"s3","name":"","accessKey":null}]}' }
      assert.is_true(client:apply(plan).ok)
    end)

    it("is one when a plan is applied twice and the first time has changed it", function()
      start {}
      local plan = planned { small("new") }
      assert(client:apply(plan))
      conflict("s3/new is new", plan)
    end)
  end)

  it("twice writes twice where the listing is the same", function()
    start { small("a", "before") }
    local plan = planned { small("a", "after") }
    assert.is_true(client:apply(plan).ok)
    assert.is_true(client:apply(plan).ok)
    assert.same({ "POST", "POST" }, writes())
    assert.equal("after", state()["s3/a"].secretKey)
  end)

  it("that another client has made works when it is for the same base_url", function()
    start {}
    local other = new_client { base_url = emulator.url .. "/" }
    assert.is_true(other:apply(planned { small("a") }).ok)
    other:close()
  end)

  it("for another base_url is refused", function()
    start {}
    local other = new_client { base_url = emulator.url .. "/elsewhere" }
    local plan = planned { small("a") }
    local before = #emulator:requests()
    local report, err = other:apply(plan)
    assert.is_nil(report)
    assert.equal("invalid", err.kind)
    assert.matches("the plan was made for http://127.0.0.1:%d+, and this client is for "
      .. "http://127.0.0.1:%d+/elsewhere$", err.message)
    assert.equal(before, #emulator:requests())
    other:close()
  end)

  it("is an error when the listing fails, and writes nothing", function()
    start {}
    local plan = planned { small("a") }
    emulator:fail { op = "list", status = 503 }
    local report, err = client:apply(plan)
    assert.is_nil(report)
    assert.equal("unavailable", err.kind)
    assert.same({}, writes())
    assert.is_true(client:apply(plan).ok)
  end)

  describe("that fails in part", function()
    it("deletes nothing, and a new plan has what is left", function()
      start { small("old"), small("b", "before") }
      local items = { small("a"), small("b", "after", "New"), small("c") }
      local plan = planned(items, PRUNE)
      emulator:fail { op = "put", status = 403 }
      local report = assert(client:apply(plan, { concurrency = 1 }))
      assert.is_false(report.ok)
      assert.equal(2, report.done)
      assert.equal(2, report.failed)
      assert.same({ "put s3/a forbidden", "put s3/b", "put s3/c", "delete s3/old cancelled" },
        told(report))
      local cancelled = report.results[4].err
      assert.matches("it was never started: a write before it failed$", cancelled.message)
      assert.equal(0, cancelled.attempts)
      assert.is_true(cancelled.retryable)
      assert.truthy(state()["s3/old"])

      plan = planned(items, PRUNE)
      assert.same({ create = 1, update = 0, unknown = 2, unchanged = 0, delete = 1 }, plan.counts)
      assert.is_true(client:apply(plan).ok)
      assert.is_nil(state()["s3/old"])
      assert.truthy(state()["s3/a"])
    end)

    it("can be applied once more when nothing has changed", function()
      start {}
      local plan = planned { small("a") }
      emulator:fail { op = "put", status = 503 }
      assert.same({ "put s3/a unavailable" }, told(client:apply(plan)))
      assert.same({ "put s3/a" }, told(client:apply(plan)))
    end)

    it("stops at the first error when asked to", function()
      start { small("old") }
      emulator:fail { op = "put", status = 403 }
      local report = assert(client:apply(planned({ small("a"), small("b") }, PRUNE),
        { concurrency = 1, stop_on_error = true }))
      assert.same({ "put s3/a forbidden", "put s3/b cancelled", "delete s3/old cancelled" },
        told(report))
      assert.equal(1, #writes())
    end)

    it("tells of each delete", function()
      start { small("old1"), small("old2"), small("old3") }
      emulator:fail { op = "delete", status = 400 }
      local report = assert(client:apply(planned({}, PRUNE), { concurrency = 1 }))
      assert.same({ "delete s3/old1 rejected", "delete s3/old2", "delete s3/old3" }, told(report))
      assert.equal(1, planned({}, PRUNE).counts.delete)
    end)
  end)

  it("shows no key in any error or text", function()
    start {}
    local plan = planned { small("a", "hunter2"), small("b", secrets.from_string "hunter2") }
    emulator:fail { op = "put", times = 2, status = 400,
      body = '{"error":{"code":400,"message":"hunter2"}}' }
    local report = client:apply(plan)
    assert.equal(2, report.failed)
    for _, result in ipairs(report.results) do
      for _, value in pairs(result.err) do
        assert.is_nil(tostring(value):find("hunter2", 1, true))
      end
    end
  end)

  it("raises for misuse, at the caller's line, and sends nothing", function()
    start {}
    local function raises(message, called)
      local ok, raised = pcall(called)
      assert.is_false(ok)
      assert.matches(PLACE .. message .. "$", raised)
    end
    raises("apply: plan: Plan expected, got nil", function() local a = client:apply() return a end)
    raises("apply: plan: Plan expected, got table",
      function() local a = client:apply { actions = {} } return a end)
    local plan = planned {}
    local before = #emulator:requests()
    raises("apply: options: table expected, got number",
      function() local a = client:apply(plan, 1) return a end)
    raises('apply: unknown option "retries" %(there are .*%)',
      function() local a = client:apply(plan, { retries = 1 }) return a end)
    raises("apply: option concurrency: .*",
      function() local a = client:apply(plan, { concurrency = 0 }) return a end)
    raises("apply: option deadline: .*",
      function() local a = client:apply(plan, { deadline = 0 }) return a end)
    raises("apply: option on_progress: function expected, got boolean",
      function() local a = client:apply(plan, { on_progress = true }) return a end)
    raises("apply: too many arguments",
      function() local a = client:apply(plan, {}, 1) return a end)
    assert.equal(before, #emulator:requests())
  end)

  it("passes on what on_progress raises", function()
    start {}
    local thrown = {}
    local ok, raised = pcall(client.apply, client, planned { small("a"), small("b") },
      { on_progress = function() error(thrown) end })
    assert.is_false(ok)
    assert.equal(thrown, raised)
    assert(client:list())
  end)

  it("ends as cancelled when the client is closed under way", function()
    start { small("old") }
    local report = client:apply(planned({ small("a") }, PRUNE),
      { on_progress = function() client:close() end })
    assert.same({ "put s3/a", "delete s3/old cancelled" }, told(report))
    assert.matches("never started: the client was closed$", report.results[2].err.message)
  end)

  it("ends as cancelled, with nothing written, when it is closed while it lists", function()
    start {}
    local plan = planned { small("a") }
    local other, closing
    other = new_client { on_event = function()
      if closing then other:close() end
    end }
    assert(other:list())
    closing = true
    local report, err = other:apply(plan)
    assert.is_nil(report)
    assert.equal("cancelled", err.kind)
    assert.same({}, writes())
  end)

  it("ends at its deadline", function()
    start { small("old") }
    local plan = planned({ small("a"), small("b") }, PRUNE)
    emulator:fail { op = "put", delay = 10 * SLOW, times = 2 }
    local report = assert(client:apply(plan, { concurrency = 1, deadline = 0.5 * SLOW }))
    local words = told(report)
    assert.equal(3, report.failed)
    assert.equal("put s3/a timeout", words[1])
    assert.equal("delete s3/old cancelled", words[3])
  end)

  it("ends at its deadline while it lists, and writes nothing", function()
    start {}
    local plan = planned { small("a") }
    emulator:fail { op = "list", delay = 10 * SLOW }
    local report, err = client:apply(plan, { deadline = 0.5 * SLOW })
    assert.is_nil(report)
    assert.equal("timeout", err.kind)
    assert.same({}, writes())
  end)

  it("suspends the coroutine, like making it, in an event loop", function()
    start { small("old") }
    if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then return pending "no option wait" end
    local other = new_client { wait = function() coroutine.yield() end }
    local turns, report = 0, nil
    local thread = coroutine.wrap(function()
      local plan = assert(other:plan({ small("a"), small("b") }, PRUNE))
      report = assert(other:apply(plan))
    end)
    repeat
      turns = turns + 1
      thread()
    until report
    assert.is_true(turns > 1)
    assert.same({ "put s3/a", "put s3/b", "delete s3/old" }, told(report))
    other:close()
  end)
end)

-- Random states -----------------------------------------------------------------------------------

local TYPES = { "s3", "gcp", "other" }
local VALUES = {
  name = { "x", "y", "" },
  accessKey = { "AKIA", "" },
  expiresAt = { "2035-12-29T18:02:27.140Z", "2035-12-29T19:02:27.14+01:00", "2036-01-01T00:00:00Z",
    "" },
  params = { {}, { a = 1 }, { a = 1.0 }, { a = { b = { 1, "x" } } },
    { a = setmetatable({}, secrets.array_mt) }, { a = {} }, { a = false, b = secrets.null } },
  count = { 0, 5, "5" },
  labels = { {}, { "a" }, { "a", "b" }, { x = "", y = 1 } },
}

local function pick(values)
  return values[math.random(#values)]
end

local function random_record(number)
  local made = { id = "k" .. math.ceil(number / 3), secretType = TYPES[number % 3 + 1] }
  for name, values in pairs(VALUES) do
    if math.random() < 0.4 then made[name] = pick(values) end
  end
  return made
end

local function random_seed()
  local seed = {}
  for number = 1, 24 do
    if math.random() < 0.5 then
      seed[#seed + 1] = { secret = random_record(number), secretKey = "before" }
    end
  end
  return seed
end

local function random_items()
  local items = {}
  for number = 1, 24 do
    if math.random() < 0.5 then
      items[#items + 1] = { secret = random_record(number), secretKey = "after" .. number }
    end
  end
  return items
end

-- What the service is to hold in the end.
local function expected(items, before, prunes)
  local wanted, items_by_address = {}, {}
  for _, item in ipairs(items) do
    items_by_address[item.secret.secretType .. "/" .. item.secret.id] = item
  end
  for address, secret in pairs(before) do
    local gone = prunes and secret.secretType == "s3" and not items_by_address[address]
    if not gone then wanted[address] = secret end
  end
  for address, item in pairs(items_by_address) do
    local secret = {}
    for name, value in pairs(before[address] or {}) do
      secret[name] = value
    end
    for name, value in pairs(item.secret) do
      secret[name] = value
    end
    secret.secretKey = item.secretKey
    wanted[address] = secret
  end
  return wanted
end

local function without_keys(items)
  local copies = {}
  for position, item in ipairs(items) do
    copies[position] = { secret = item.secret }
  end
  return copies
end

describe("a plan that was applied", function()
  -- Stored fields that are empty may come from either side.
  local function plain(records)
    for _, secret in pairs(records) do
      for name, value in pairs(secret) do
        if value == "" or value == 0 or type(value) == "table" and next(value) == nil then
          secret[name] = nil
        elseif name == "expiresAt" then
          secret[name] = secrets.timestamp(secrets.expires_in(secret, 0))
        elseif name == "count" then
          secret[name] = tonumber(value)
        end
      end
    end
    return core.decode(core.encode(records))
  end

  local function play(round, totals)
    math.randomseed(round)
    start(random_seed(), { omit_defaults = round % 2 == 0 })
    local items, prunes = random_items(), math.random() < 0.5
    local options = prunes and { prune = { secretType = "s3", match = ".*" } } or nil
    local before = state()
    local plan = planned(items, options)
    assert.same({}, writes())
    local report = assert(client:apply(plan))
    assert.is_true(report.ok)
    local counts = plan.counts
    assert.equal(counts.create + counts.update + counts.unknown + counts.delete, report.done)
    assert.same(plain(expected(items, before, prunes)), plain(state()), "round " .. round)
    assert.is_false(planned(without_keys(items), options).changes, "round " .. round)
    for action, count in pairs(counts) do
      totals[action] = totals[action] + count
    end
    stop()
  end

  it("has led to what was desired, whatever was stored", function()
    environment.clear()
    local totals = { create = 0, update = 0, unknown = 0, unchanged = 0, delete = 0 }
    for round = 1, 100 do
      play(round, totals)
    end
    environment.restore()
    for _, action in ipairs { "create", "update", "unknown", "delete" } do
      assert.is_true(totals[action] > 50, action)
    end
  end)
end)
