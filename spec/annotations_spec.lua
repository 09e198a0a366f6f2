-- The annotations, from which editors know the module and the reference is made, say all there is
-- to say about what scripts can reach.

local annotations = require "annotations"
local child = require "child"
local secrets = require "bytenite.secrets"
local shell = require "shell"

local BUILT_IN = {
  any = true, boolean = true, fun = true, ["function"] = true, integer = true,
  lightuserdata = true, ["nil"] = true, number = true, string = true, table = true, ["true"] = true,
}

local types = annotations.types()

local function field_names(class)
  local names = {}
  local block = types[class]
  for _, field in ipairs(block.parent and types[block.parent].fields or {}) do
    names[#names + 1] = field.name
  end
  for _, field in ipairs(block.fields) do
    names[#names + 1] = field.name
  end
  table.sort(names)
  return names
end

-- Every name in an expression is that of a type.
local function check_types(entries, where)
  for _, entry in ipairs(entries) do
    assert.truthy(entry.type ~= "", ("%s: %s has no type"):format(where, tostring(entry.name)))
    for _, name in ipairs(annotations.names_in(entry.type)) do
      assert.truthy(BUILT_IN[name] or types[name], ("%s: no type %s"):format(where, name))
    end
  end
end

local function check_function(where, block, source)
  local names = {}
  for name in source:match("function[^(]*(%b())"):gmatch("[%a_][%w_]*") do
    names[#names + 1] = name
  end
  local annotated = {}
  for position, param in ipairs(block.params) do
    annotated[position] = param.name
  end
  assert.truthy(#block.text > 10, where .. " is not described")
  assert.same(names, annotated, where)
  if #block.returns == 0 then
    -- By its last statement; others may only leave early.
    assert.not_matches("\n  return [^\n]", source, where .. ": what it returns")
  else
    assert.matches("%f[%a]return [^\n]", source, where .. ": it returns nothing")
    assert.not_equal("err", block.returns[1].name, where .. ": what it returns first")
  end
  check_types(block.params, where)
  check_types(block.returns, where)
end

-- A method written in C stands as a field: fun(self, name: type): type.
local function check_native(class, name)
  for _, field in ipairs(types[class].fields) do
    if field.name == name then
      assert.matches("^fun%(self", field.type)
      assert.truthy(#field.text > 10, name .. " is not described")
      return
    end
  end
  error(("%s: no field %s"):format(class, name))
end

for _, group in ipairs(annotations.public()) do
  describe("every function of " .. group.class .. " is annotated:", function()
    for name, member in pairs(group.members) do
      if type(member) == "function" and not name:find("^__") then
        it(name, function()
          if debug.getinfo(member, "S").what == "C" then
            check_native(group.class, name)
          else
            check_function(group.class .. "." .. name, annotations.of(member))
          end
        end)
      end
    end

    if group.returned then
      it("the one that it is", function()
        check_function(group.class, group.returned.block, group.returned.source)
      end)
    end
  end)
end

describe("the API reference", function()
  it("has every function", function()
    local place = shell("mktemp -d"):match("[^\n]+")
    local status, output =
      child.run(("arg = { %q }; dofile 'spec/doc/reference.lua'"):format(place))
    assert.equal(0, status, output)
    local found = shell(("cat %s/*.lua; rm -r %s"):format(place, place))
    for _, group in ipairs(annotations.public()) do
      local before = group.is_object and group.class:match("[^.]+$") .. ":" or ""
      for name, member in pairs(group.members) do
        if type(member) == "function" and not name:find("^__") then
          assert.matches(("\n-- @function %s%s\n"):format(before, name), found, 1, true)
        end
      end
      assert.matches("-- @module " .. group.module .. "\n", found, 1, true)
    end
  end)
end)

describe("annotations", function()
  it("name no type that is not declared", function()
    for name, block in pairs(types) do
      check_types(block.fields, name)
      check_types(block.variants, name)
      assert.truthy(block.parent == nil or types[block.parent], name)
    end
  end)

  it("list what there is in the module besides functions", function()
    local found = {}
    for name, member in pairs(secrets) do
      if type(member) ~= "function" then found[#found + 1] = name end
    end
    table.sort(found)
    assert.same(field_names "bytenite.secrets", found)
  end)

  it("list the fields of an emulator", function()
    local emulator = assert(require("bytenite.secrets.emulator").start())
    local found = {}
    for name in pairs(emulator) do
      if not name:find("^_") then found[#found + 1] = name end
    end
    emulator:stop()
    table.sort(found)
    assert.same(field_names "bytenite.secrets.Emulator", found)
  end)
end)

describe("annotations list every option of", function()
  local client

  before_each(function()
    client = assert(secrets.new { access_token = "token", ignore_env = true })
  end)

  after_each(function()
    client:close()
  end)

  -- The message about an option that is unknown lists those that there are.
  local function check_options(class, func, ...)
    local _, message = pcall(func, ...)
    local found = {}
    for name in message:match("there are ([^)]+)"):gmatch("[%w_]+") do
      found[#found + 1] = name
    end
    assert.same(field_names(class), found)
  end

  it("secrets.new", function()
    check_options("bytenite.secrets.Options", secrets.new, { unknown = 1 })
  end)

  it("calls, and of delete", function()
    check_options("bytenite.secrets.Limits", client.list, client, nil, { unknown = 1 })
    check_options("bytenite.secrets.DeleteLimits", client.delete, client, "s3", "a",
      { unknown = 1 })
  end)

  it("bulk calls, and of delete_all", function()
    check_options("bytenite.secrets.BulkOptions", client.put_all, client, {}, { unknown = 1 })
    check_options("bytenite.secrets.DeleteBulkOptions", client.delete_all, client, {},
      { unknown = 1 })
  end)

  it("plan", function()
    check_options("bytenite.secrets.PlanOptions", client.plan, client, {}, { unknown = 1 })
  end)

  it("the emulator, and of its faults", function()
    local emulators = require "bytenite.secrets.emulator"
    local emulator = assert(emulators.start())
    check_options("bytenite.secrets.EmulatorOptions", emulators.start, { unknown = 1 })
    check_options("bytenite.secrets.Fault", emulator.fail, emulator, { unknown = 1 })
    emulator:stop()
  end)
end)

describe("annotations list every field of", function()
  local emulator, client, events

  before_each(function()
    emulator = assert(require("bytenite.secrets.emulator").start())
    events = {}
    client = assert(secrets.new {
      api_key = emulator.api_key,
      base_url = emulator.url,
      ignore_env = true,
      on_event = function(event)
        events[#events + 1] = event
      end,
    })
  end)

  after_each(function()
    client:close()
    emulator:stop()
  end)

  local function check_fields(class, object)
    local declared = {}
    for _, name in ipairs(field_names(class)) do
      declared[name] = true
    end
    local count = 0
    for name in pairs(object) do
      assert.truthy(declared[name], ("%s: no field %s"):format(class, tostring(name)))
      count = count + 1
    end
    assert.is_true(count > 0)
  end

  local ITEM = { secret = { id = "a", secretType = "s3", name = "A" }, secretKey = "key" }

  it("a Secret and a Receipt", function()
    check_fields("bytenite.secrets.Receipt", assert(client:put(ITEM.secret, "key")))
    check_fields("bytenite.secrets.Secret", assert(client:list())[1])
    check_fields("bytenite.secrets.Receipt",
      assert(client:delete("s3", "nothing", { missing_ok = true })))
  end)

  it("an Error", function()
    local _, err = client:delete("s3", "nothing")
    check_fields("bytenite.secrets.Error", err)
    emulator:fail { status = 429, times = 9, headers = { ["Retry-After"] = 99 } }
    _, err = client:list()
    check_fields("bytenite.secrets.Error", err)
    assert.equal(99, err.retry_after)
    emulator:stop()
    _, err = client:list(nil, { retries = 0 })
    check_fields("bytenite.secrets.Error", err)
    assert.truthy(err.cause)
  end)

  it("Events", function()
    emulator:fail { op = "list", status = 503 }
    assert(client:list())
    local seen = {}
    for _, event in ipairs(events) do
      check_fields("bytenite.secrets.Event", event)
      seen[event.event] = true
    end
    assert.same({ attempt = true, retry = true, renewal = true }, seen)
  end)

  it("a Report", function()
    local report = assert(client:put_all { ITEM, ITEM })
    check_fields("bytenite.secrets.Report", report)
    check_fields("bytenite.secrets.Result", report.results[1])
  end)

  it("a Plan", function()
    assert(client:put(ITEM.secret, "key"))
    local plan = assert(client:plan {
      { secret = { id = "a", secretType = "s3", name = "B" }, secretKey = "key" },
    })
    check_fields("bytenite.secrets.Plan", plan)
    check_fields("bytenite.secrets.Action", plan.actions[1])
    check_fields("bytenite.secrets.FieldChange", plan.actions[1].fields[1])
  end)

  it("what info tells, and of a request to the emulator", function()
    check_fields("bytenite.secrets.Info", secrets.info())
    assert(client:list { secretType = "s3" })
    for _, request in ipairs(emulator:requests()) do
      check_fields("bytenite.secrets.EmulatedRequest", request)
    end
  end)
end)
