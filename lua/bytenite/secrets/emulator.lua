-- A local stand-in for the ByteNite Secrets service, for demos and tests: plain HTTP on 127.0.0.1,
-- stateful, with faults on demand. It keeps everything in memory, secret keys included.

local native = require "bytenite.secrets.native"

local core = native "bytenite.secrets.core"

local SERVER = "bytenite.secrets.emulator.server"

local function require_server()
  local found, server = pcall(native, SERVER)
  if found then return server end
  server = tostring(server)
  if server:find("not found", 1, true) or server:find("libmicrohttpd", 1, true) then
    error("bytenite.secrets.emulator needs its C module: install the rock bytenite-secrets-emulator"
      .. " (builds with Debian's libmicrohttpd-dev)", 0)
  end
  error(server, 0)
end

local server = require_server()

---@class bytenite.secrets.Seed
---@field secret table the record
---@field secretKey string?

---@class bytenite.secrets.EmulatorOptions
---@field port integer? 0, the default, takes any free port
---@field seed (bytenite.secrets.Seed|table)[]? secrets to begin with; a plain record is allowed
---@field token_lifetime number? seconds, 3600 by default; a fraction is allowed
---@field omit_defaults boolean? leave default-valued fields out of answers, as protojson may
---@field api_key string? random by default
---@field auth_scheme "Bearer"? expected before the token; by default the token stands alone

---@class bytenite.secrets.Fault
---@field op "list"|"put"|"delete"|"authenticate"|nil nil is any request
---@field times number? how many requests, 1 by default; math.huge is allowed
---@field status integer? of the answer made instead of the normal one; 200 by default
---@field headers table<string, string|number>? added to the answer
---@field body string? of the answer made instead of the normal one; an error envelope by default
---@field delay number? seconds that the answer waits; the request itself takes effect at once
---@field drop "before"|"after"|"midway"|nil break the connection: before anything is applied, after
--- it was applied, or in the middle of the answer's body

---@class bytenite.secrets.EmulatedRequest
---@field method string
---@field path string raw, as it came
---@field query string? raw, without the "?"
---@field headers table<string, string> by lower-case name; a repeated one joined by commas
---@field body string
---@field status integer of the answer, also while it waits; 0 for none

---@class bytenite.secrets.Emulator
---@field url string the base URL, "http://127.0.0.1:PORT"
---@field api_key string what it exchanges for an access token
local methods = {}

local metatable = { __name = "bytenite.secrets.emulator", __index = methods, __metatable = false }

local OPS = { list = true, put = true, delete = true, authenticate = true }
local DROPS = { before = true, after = true, midway = true }

-- What can be carried into the private Lua state.
local PLAIN = { boolean = true, number = true, string = true }
local DEEPEST = 35

-- libmicrohttpd writes these itself.
local RESERVED_HEADERS = { ["content-length"] = true, ["transfer-encoding"] = true }

local function is_whole(value)
  return type(value) == "number" and value % 1 == 0
end

-- Each check returns what the value must be, or nil when it is that.

local function is_plain(value, depth)
  if type(value) ~= "table" then return PLAIN[type(value)] or value == core.null end
  if depth == DEEPEST then return false end
  for name, inner in pairs(value) do
    if not is_plain(name, depth + 1) or not is_plain(inner, depth + 1) then return false end
  end
  return true
end

local function check_seed(value)
  if type(value) ~= "table" or not is_plain(value, 0) then
    return ("a table of plain values, up to %d deep"):format(DEEPEST)
  end
end

local function check_boolean(value)
  if type(value) ~= "boolean" then return "a boolean" end
end

local function check_string(value)
  if type(value) ~= "string" then return "a string" end
end

local function check_key(value)
  if type(value) ~= "string" or value == "" then return "a non-empty string" end
end

local function check_scheme(value)
  if value ~= "Bearer" then return '"Bearer"' end
end

local function check_port(value)
  if not is_whole(value) or value < 0 or value > 65535 then
    return "a whole number from 0 to 65535"
  end
end

local function check_lifetime(value)
  if type(value) ~= "number" or not (value > 0 and value <= 1e9) then
    return "a number of seconds over 0, up to 1e9"
  end
end

local function check_op(value)
  if not OPS[value] then return '"list", "put", "delete" or "authenticate"' end
end

local function check_drop(value)
  if not DROPS[value] then return '"before", "after" or "midway"' end
end

local function check_times(value)
  if value ~= math.huge and not (is_whole(value) and value >= 1) then
    return "a whole number from 1, or math.huge"
  end
end

local function check_status(value)
  if not is_whole(value) or value < 200 or value > 999 then
    return "a whole number from 200 to 999"
  end
end

local function check_delay(value)
  local is_nan = value ~= value
  if type(value) ~= "number" or is_nan or value < 0 then return "a number of seconds from 0" end
end

local function is_header(name, value)
  if type(name) ~= "string" or not name:find("^[%w!#$&'*+.^_`|~-]+$") then return false end
  if type(value) == "number" then return true end
  return type(value) == "string" and value:find("^[^%c]+$") ~= nil
end

local function check_headers(value)
  if type(value) ~= "table" then return "a table" end
  for name, text in pairs(value) do
    if not is_header(name, text) then
      return "a table of header names and non-empty values without control characters"
    end
    if RESERVED_HEADERS[name:lower()] then return "without " .. name end
  end
end

local START_CHECKS = {
  port = check_port,
  seed = check_seed,
  token_lifetime = check_lifetime,
  omit_defaults = check_boolean,
  api_key = check_key,
  auth_scheme = check_scheme,
}

local FAIL_CHECKS = {
  op = check_op,
  times = check_times,
  status = check_status,
  headers = check_headers,
  body = check_string,
  delay = check_delay,
  drop = check_drop,
}

local function names_of(checks)
  local names = {}
  for name in pairs(checks) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

---@return string? problem
local function check_options(options, checks)
  if type(options) ~= "table" then return "the options must be a table" end
  for name, value in pairs(options) do
    local check = checks[name]
    if not check then
      return ("unknown option %q (there are %s)"):format(tostring(name), names_of(checks))
    end
    local wanted = check(value)
    if wanted then return ("option %q must be %s"):format(name, wanted) end
  end
end

local function call(emulator, name, value)
  local called, result = pcall(emulator._server.call, emulator._server, name, value)
  if not called then error(name .. ": " .. result, 3) end
  return result
end

local function check_self(emulator, name)
  if type(emulator) == "table" and getmetatable(emulator) == false and emulator._server then
    return
  end
  error(name .. ": call it as emulator:" .. name .. "()", 3)
end

---Makes the next matching requests fail or wait. Faults queue up: the first one that matches the
---operation and has times left is used.
---With `status` or `body` the answer is made of these and nothing is applied; with neither, the
---request is handled normally and its answer only delayed, dropped or given more headers.
---@param fault bytenite.secrets.Fault
function methods:fail(fault, ...)
  check_self(self, "fail")
  local problem = check_options(fault, FAIL_CHECKS)
  if select("#", ...) > 0 then problem = "too many arguments" end
  if not problem and fault.drop == "midway" and fault.body == "" then
    problem = 'option "body" must not be empty with drop = "midway"'
  end
  if problem then error("fail: " .. problem, 2) end
  local copy = { times = 1 }
  for name, value in pairs(fault) do
    copy[name] = value
  end
  copy.headers = {}
  for name, value in pairs(fault.headers or {}) do
    copy.headers[name] = tostring(value)
  end
  call(self, "fail", copy)
end

---The requests in the order of their arrival, the latest 100,000 of them.
---@return bytenite.secrets.EmulatedRequest[]
function methods:requests()
  check_self(self, "requests")
  return call(self, "requests")
end

---The stored records in the order of their creation, each with its `secretKey`, which no answer
---over HTTP ever has.
---@return table[]
function methods:secrets()
  check_self(self, "secrets")
  return call(self, "secrets")
end

---Closes all connections, frees the port and forgets everything; idempotent. Collecting the
---emulator as garbage does the same. In a forked child it does nothing.
function methods:stop()
  check_self(self, "stop")
  self._server:stop()
end

metatable.__close = methods.stop

function metatable:__tostring()
  return "bytenite.secrets.emulator: " .. self.url
end

---@param options bytenite.secrets.EmulatorOptions
local function settings_of(options)
  return {
    seed = options.seed or {},
    token_lifetime = options.token_lifetime or 3600,
    omit_defaults = options.omit_defaults or false,
    api_key = options.api_key,
    auth_scheme = options.auth_scheme,
  }
end

---Starts an emulator; there may be several at a time.
---@param options bytenite.secrets.EmulatorOptions?
---@return bytenite.secrets.Emulator? emulator nil when the port cannot be bound
---@return string? message
local function start(options, ...)
  options = options == nil and {} or options
  local problem = check_options(options, START_CHECKS)
  if select("#", ...) > 0 then problem = "too many arguments" end
  if problem then error("start: " .. problem, 2) end
  local started, running, message =
    pcall(server.start, options.port or 0, settings_of(options), core.array_mt)
  if not started then error("start: " .. running, 2) end
  if not running then return nil, message end
  return setmetatable({
    url = ("http://127.0.0.1:%d"):format(running:port()),
    api_key = running:call("api_key"),
    _server = running,
  }, metatable)
end

return { start = start }
