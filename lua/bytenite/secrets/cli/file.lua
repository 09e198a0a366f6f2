-- Files that describe secrets, for `plan`, `apply` and the emulator's seed:
--
--   { "secrets": [ { "id": ..., "secretType": ..., "secretKey": { "env": NAME } } ] }
--
-- as JSON, or a .lua file that returns the same. A secretKey may also be { "file": PATH }, a text,
-- or absent.

local core = require "bytenite.secrets.core"
local exit = require "bytenite.secrets.cli.exit"
local sandbox = require "bytenite.secrets.cli.sandbox"
local secrets = require "bytenite.secrets"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"

---@class bytenite.secrets.cli.Entry
---@field secret bytenite.secrets.Secret
---@field reference { env: string?, file: string?, literal: bytenite.secrets.SecretString? }?
---@field where string for messages

local file = {}

local function fail(path, problem, code)
  exit.fail(code or exit.USAGE, text.clean(path) .. ": " .. text.clean(problem))
end

local function contents_of(path)
  local opened, message = io.open(path, "rb")
  local code
  if opened then
    code, message = opened:read("*a")
    opened:close()
  end
  if not code then exit.fail(exit.USAGE, text.clean(message)) end
  return code
end

local function parse(path)
  local code = contents_of(path)
  if path:find("%.lua$") then
    local value, problem = sandbox(code, path)
    if problem then fail(path, problem) end
    return value
  end
  local value, exact = core.decode(code)
  if value == nil then fail(path, exact) end
  if not exact then
    fail(path, "holds an integer that this Lua would round; such a number goes as a string")
  end
  return value
end

local REFERENCES = { env = true, file = true }

local function reference_of(path, where, key)
  if key == nil then return nil end
  if type(key) == "string" then
    terminal.note(("warning: %s: the key of %s stands there as it is; { \"env\": NAME } or "
      .. "{ \"file\": PATH } keeps it out"):format(text.clean(path), where))
    return { literal = exit.check(secrets.from_string(key)) }
  end
  local kind, name
  if type(key) == "table" then kind, name = next(key) end
  if not REFERENCES[kind] or type(name) ~= "string" or next(key, kind) ~= nil then
    fail(path, where .. ": secretKey is { \"env\": NAME }, { \"file\": PATH }, or a text")
  end
  return { [kind] = name }
end

local function entry_of(path, position, described)
  local where = ("secrets[%d]"):format(position)
  if type(described) ~= "table" then fail(path, where .. " is no object") end
  local secret = {}
  for name, value in pairs(described) do
    if value == secrets.null then
      fail(path, ("%s: %s is null; what has no value is left out"):format(where, name))
    end
    if name ~= "secretKey" then secret[name] = value end
  end
  local ok, err = secrets.validate(secret)
  if not ok then fail(path, where .. ": " .. exit.message_of(err)) end
  return { secret = secret, reference = reference_of(path, where, described.secretKey),
    where = where }
end

---Reads a file; ends the command when it is not as it has to be.
---@param path string
---@return bytenite.secrets.cli.Entry[]
function file.read(path)
  local value = parse(path)
  local list = type(value) == "table" and value.secrets
  if type(list) ~= "table" then fail(path, "has no list \"secrets\"") end
  for name in pairs(value) do
    if name ~= "secrets" then fail(path, ("unknown field %q"):format(tostring(name))) end
  end
  local entries, count = {}, 0
  for position in pairs(list) do
    count = count + 1
    if type(position) ~= "number" then fail(path, "\"secrets\" is not a list") end
  end
  if count ~= #list then fail(path, "\"secrets\" has gaps") end
  for position, described in ipairs(list) do
    entries[position] = entry_of(path, position, described)
  end
  return entries
end

---The key that an entry refers to; ends the command when there is none to be had.
---@param path string
---@param entry bytenite.secrets.cli.Entry
---@return bytenite.secrets.SecretString? key nil when the entry has none
function file.key(path, entry)
  local reference = entry.reference
  if not reference then return nil end
  if reference.literal then return reference.literal end
  local found, err
  if reference.env then
    found, err = secrets.from_env(reference.env)
  else
    found, err = secrets.from_file(reference.file)
  end
  if not found then
    fail(path, entry.where .. ": secretKey: " .. exit.message_of(err), exit.code_of(err))
  end
  return found
end

return file
