-- The annotations, from which editors know the module and the reference is made, say all there is
-- to say about what scripts can reach.

local annotations = require "annotations"
local secrets = require "bytenite.secrets"

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

  it("bulk calls", function()
    check_options("bytenite.secrets.BulkOptions", client.put_all, client, {}, { unknown = 1 })
  end)

  it("plan", function()
    check_options("bytenite.secrets.PlanOptions", client.plan, client, {}, { unknown = 1 })
  end)
end)
