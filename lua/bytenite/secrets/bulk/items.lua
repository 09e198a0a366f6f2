-- What put_all, delete_all and plan are given: items, references of what to delete.

local arguments = require "bytenite.secrets.arguments"
local errors = require "bytenite.secrets.errors"
local printable = require "bytenite.secrets.printable"
local record = require "bytenite.secrets.record"

---@class bytenite.secrets.Item
---@field secret bytenite.secrets.Secret
---@field secretKey bytenite.secrets.Credential

---@class bytenite.secrets.Ref
---@field secretType string
---@field id string

local check_credential = arguments.credential()

local items = {}

---@param keyless boolean? whether the secretKey may be absent
---@return string? problem of the types and names of an item
function items.problem(item, keyless)
  if type(item) ~= "table" then return "table expected, got " .. arguments.type_name(item) end
  for name in next, item do
    if name ~= "secret" and name ~= "secretKey" then
      return ("unknown field %q (there are secret, secretKey)"):format(tostring(name))
    end
  end
  local problem = record.problem(item.secret)
  if problem then return problem end
  if keyless and item.secretKey == nil then return end
  local wanted = check_credential(item.secretKey)
  if wanted then
    return ("secretKey: %s expected, got %s"):format(wanted, arguments.type_name(item.secretKey))
  end
end

---@return string? problem of a reference of delete_all
function items.delete_problem(ref)
  if type(ref) ~= "table" then return ("table expected, got %s"):format(type(ref)) end
  for _, name in ipairs { "secretType", "id" } do
    if type(ref[name]) ~= "string" then
      return ("%s: string expected, got %s"):format(name, type(ref[name]))
    end
  end
end

---Raises for what is no array or function. What an array holds is looked at before anything is
---sent, what a function gives when its turn comes.
---@param name string of the method
---@param argument string
---@param problem_of fun(item: any): string?
function items.check(name, argument, list, problem_of)
  if type(list) == "function" then return end
  if type(list) ~= "table" then
    arguments.misuse(("%s: %s: array or function expected, got %s"):format(name, argument,
      arguments.type_name(list)), 1)
  end
  if #list == 0 and next(list) ~= nil then
    arguments.misuse(("%s: %s: array expected, got a table of fields"):format(name, argument), 1)
  end
  for index = 1, #list do
    local problem = problem_of(list[index])
    if problem then
      arguments.misuse(("%s: %s[%d]: %s"):format(name, argument, index, problem), 1)
    end
  end
end

---@return bytenite.secrets.Error
function items.invalid(op, problem)
  return errors.new { kind = "invalid", op = op, message = problem }
end

-- The caller may have changed the item since it was looked at.
---@return string as Error.op
function items.put_op(item)
  if items.problem(item) then return "put" end
  return printable.op("put", item.secret.secretType, item.secret.id)
end

---@return string as Error.op
function items.delete_op(ref)
  if items.delete_problem(ref) then return "delete" end
  return printable.op("delete", ref.secretType, ref.id)
end

return items
