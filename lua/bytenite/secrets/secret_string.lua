-- Where a SecretString comes from. The userdata itself is C: the bytes never become a Lua string.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"
local record = require "bytenite.secrets.record"

---@class bytenite.secrets.SecretString `#s` is its length; `==` compares two of them in constant
--- time; tostring shows a mask, and `..` raises
---@field equals fun(self, other: bytenite.secrets.SecretString|string): boolean in constant time;
--- false when one of them was wiped
---@field expose fun(self): string the one way out; the string stays in memory until collected;
--- raises when the SecretString was wiped
---@field wipe fun(self) overwrites it, and leaves its length 0; idempotent; also __close and __gc

local secret_string = {}

local FILE_OPTIONS = { shared = arguments.of_type("boolean") }
local ENV_OPTIONS = { unset = arguments.of_type("boolean") }

---@return bytenite.secrets.SecretString?
---@return bytenite.secrets.Error?
local function result(op, kind, subject, secret, problem)
  if secret then return secret end
  kind = errors.kind_of_problem(problem, kind)
  return nil, errors.new { kind = kind, op = op, message = subject .. " " .. problem }
end

---Copies a string. The string itself stays in the Lua heap until it is collected; the other
---constructors leave no copy.
---@param s string up to 64 KiB
---@return bytenite.secrets.SecretString?
---@return bytenite.secrets.Error? err of kind invalid
function secret_string.from_string(s, ...)
  arguments.check_type(s, "string", "from_string: s")
  arguments.no_more("from_string", ...)
  return result("from_string", "invalid", "the string", core.secret_from_string(s))
end

-- C would read a name only as far as the zero byte.
local function has_zero_byte(name)
  return name:find("\0", 1, true) ~= nil
end

---Reads a file verbatim; symbolic links are followed.
---@param path string a regular file of 1 byte to 64 KiB that only its owner can read
---@param options { shared: boolean? }? shared = true allows that others can read it
---@return bytenite.secrets.SecretString?
---@return bytenite.secrets.Error? err of kind config
function secret_string.from_file(path, options, ...)
  arguments.check_type(path, "string", "from_file: path")
  options = arguments.options(options, FILE_OPTIONS, "from_file")
  arguments.no_more("from_file", ...)
  if has_zero_byte(path) then
    return result("from_file", "config", "path", nil, "holds a zero byte")
  end
  local secret, err = result("from_file", "config", path,
    core.secret_from_file(path, options.shared))
  if err and err.message:find("read by others", 1, true) then
    err.hint = "chmod 600, or pass shared = true"
  end
  return secret, err
end

---Reads an environment variable.
---@param name string of a variable of up to 64 KiB
---@param options { unset: boolean? }? unset = true overwrites and removes the variable
---@return bytenite.secrets.SecretString?
---@return bytenite.secrets.Error? err of kind config when it is not set, or empty
function secret_string.from_env(name, options, ...)
  arguments.check_type(name, "string", "from_env: name")
  options = arguments.options(options, ENV_OPTIONS, "from_env")
  arguments.no_more("from_env", ...)
  if has_zero_byte(name) then
    return result("from_env", "config", "name", nil, "holds a zero byte")
  end
  return result("from_env", "config", name, core.secret_from_env(name, options.unset))
end

---Reads a file descriptor to its end; waits for it, so a pipe has to be closed at its other end.
---@param fd integer stays open; 1 byte to 64 KiB is read
---@return bytenite.secrets.SecretString?
---@return bytenite.secrets.Error? err of kind config, cancelled when it was interrupted
function secret_string.from_fd(fd, ...)
  local wanted = arguments.whole(0, 2 ^ 31 - 1)(fd)
  if wanted then arguments.misuse("from_fd: fd: " .. wanted .. " expected") end
  arguments.no_more("from_fd", ...)
  local secret, problem = core.secret_from_fd(fd)
  local kind = problem == "was interrupted" and "cancelled" or "config"
  return result("from_fd", kind, "descriptor " .. fd, secret, problem)
end

---Asks the person at the terminal, who types or pastes one line that is not shown. The terminal is
---as before when this returns, and also when Ctrl-C ends the program or Ctrl-Z stops it.
---@param text string shown before the answer, such as "Secret key: "
---@return bytenite.secrets.SecretString? secret 1 byte to 64 KiB, without the newline
---@return bytenite.secrets.Error? err of kind config when there is no terminal, invalid when the
--- answer is none, cancelled when it was interrupted
function secret_string.from_prompt(text, ...)
  arguments.check_type(text, "string", "from_prompt: text")
  arguments.no_more("from_prompt", ...)
  local secret, problem, kind = core.secret_from_prompt(text)
  return result("from_prompt", kind, "the prompt", secret, problem)
end

---Reads a secret that the platform put into the environment of a job: {id}_ACCESS_KEY and
---{id}_SECRET_KEY, or the key alone under {id} for secretType "other".
---@param id string
---@param secretType string? when it is not given, both forms are looked for
---@return { accessKey: string?, secretKey: bytenite.secrets.SecretString }?
---@return bytenite.secrets.Error? err of kind config when there is no such variable, invalid when
--- the id is none
function secret_string.injected(id, secretType, ...)
  arguments.check_type(id, "string", "injected: id")
  if secretType ~= nil then
    arguments.check_type(secretType, "string", "injected: secretType")
  end
  arguments.no_more("injected", ...)
  local ok, reason = core.check_segment(id)
  if not ok then return nil, record.invalid("injected", "id", reason) end
  ok, reason = core.check_segment(secretType or "other")
  if not ok then return nil, record.invalid("injected", "secretType", reason) end
  local key_name, access_name = record.variables(secretType, id)
  local names = { key_name }
  if not secretType then names[2] = record.variables("other", id) end
  local key, problem
  for _, name in ipairs(names) do
    key, problem = core.secret_from_env(name)
    if key then break end
  end
  if not key then
    return result("injected", "config", table.concat(names, " or "), nil, problem)
  end
  local access_key = access_name and os.getenv(access_name)
  return { accessKey = access_key ~= "" and access_key or nil, secretKey = key }
end

return secret_string
