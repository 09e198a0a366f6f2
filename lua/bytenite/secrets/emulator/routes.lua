-- The emulator's side of the contract: what each request does and what it is answered.
--
-- This runs in a private Lua state. The C part of `bytenite.secrets.emulator` calls `configure`
-- first, then `handle` for every request, and the other functions when a method of the emulator is
-- called. Only plain values cross the border between the two states.

local core = require "bytenite.secrets.core"

local TOKEN_PATH = "/v1/auth/access_token"
local SECRETS_PATH = "/v1/auth/secrets"
local JSON_TYPE = "application/json"

-- Older requests are forgotten, so that an emulator that runs for weeks does not grow for ever.
local REQUESTS_KEPT = 100000

local REASONS = {
  [400] = "malformed request",
  [401] = "not authenticated",
  [403] = "no permission",
  [404] = "does not exist",
  [409] = "conflict",
  [413] = "request too large",
  [429] = "too many requests",
  [500] = "server error",
  [503] = "temporarily unavailable",
}

local settings = {}
local entries = {} -- { key =, secret =, secretKey =, json = } in the order of their creation
local by_key = {}
local tokens = {} -- token -> when it ends, monotonic seconds
local faults = {}
local requests = {}
local first_request, last_request = 1, 0
local answers = 0

local routes = { array_mt = core.array_mt }

local function random_hex(bytes)
  local source = assert(io.open("/dev/urandom", "rb"))
  source:setvbuf("no")
  local raw = source:read(bytes)
  source:close()
  return (raw:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
end

-- Answers ---------------------------------------------------------------------------------------

local function is_array(value)
  return getmetatable(value) == core.array_mt or value[1] ~= nil
end

local function is_default(value)
  if value == false or value == "" or value == 0 then return true end
  return type(value) == "table" and is_array(value) and #value == 0
end

-- Leaves out what protojson may leave out, when asked to. Only the fields of a message: what is
-- inside `params` is data and stays.
local function message_of(fields)
  if not settings.omit_defaults then return fields end
  local kept = {}
  for name, value in pairs(fields) do
    if not is_default(value) then kept[name] = value end
  end
  return kept
end

local function reply_text(status, text)
  return { status = status, headers = { ["Content-Type"] = JSON_TYPE }, body = text }
end

local function reply(status, fields)
  return reply_text(status, assert(core.encode(message_of(fields))))
end

local function next_request_id()
  answers = answers + 1
  return ("emulator-%d"):format(answers)
end

local function succeed(message)
  return reply(200, { ok = true, requestId = next_request_id(), message = message })
end

local function refuse(status, description)
  local reason = REASONS[status] or "unexpected error"
  return reply(status, {
    ok = false,
    requestId = next_request_id(),
    message = reason,
    error = message_of { code = status, message = reason, description = description or "" },
  })
end

-- What the gateway answers by itself, without the service: a bare gRPC status.
local function refuse_route(status, code, message)
  local details = setmetatable({}, core.array_mt)
  return reply(status, { code = code, message = message, details = details })
end

-- Checks ----------------------------------------------------------------------------------------

-- Text that may quote a request, fit for a message whatever bytes it has.
local function clean(text)
  return (tostring(text):gsub("[%c\128-\255]", "?"))
end

local function quote(name)
  return '"' .. clean(name) .. '"'
end

local function check_members(object, known)
  for name in pairs(object) do
    if not known[name] then return "unknown member " .. quote(name) end
  end
end

local function check_text(value, name)
  if type(value) ~= "string" or value == "" then
    return quote(name) .. " must be a non-empty string"
  end
end

-- JSON null means "not set", as protojson reads it.
local function drop_nulls(object)
  for name, value in pairs(object) do
    if value == core.null then object[name] = nil end
  end
end

local function check_optional(secret)
  for _, name in ipairs { "expiresAt", "accessKey", "name" } do
    if secret[name] ~= nil and type(secret[name]) ~= "string" then
      return quote("secret." .. name) .. " must be a string"
    end
  end
  local params = secret.params
  if params ~= nil and (type(params) ~= "table" or is_array(params)) then
    return '"secret.params" must be an object'
  end
end

---@return string? problem
local function check_secret(secret)
  if type(secret) ~= "table" or is_array(secret) then return '"secret" must be an object' end
  drop_nulls(secret)
  if secret.secretKey ~= nil then return '"secretKey" does not belong in "secret"' end
  return check_text(secret.id, "secret.id")
    or check_text(secret.secretType, "secret.secretType")
    or check_optional(secret)
end

---@return table? object, string? problem
local function read_body(request)
  local content_type = (request.headers["content-type"] or ""):lower():match("^%s*([^;%s]*)")
  if content_type ~= JSON_TYPE then return nil, "Content-Type must be " .. JSON_TYPE end
  local object, problem = core.decode(request.body)
  if object == nil then return nil, "the body must be a JSON object: " .. clean(problem) end
  if type(object) ~= "table" or is_array(object) then
    return nil, "the body must be a JSON object"
  end
  drop_nulls(object)
  return object
end

---@return string? text nil when an escape is malformed
local function decode_percent(text)
  local malformed = false
  local decoded = text:gsub("%%(.?.?)", function(digits)
    if digits:find("^%x%x$") then return string.char(tonumber(digits, 16)) end
    malformed = true
  end)
  if malformed then return nil end
  return decoded
end

---@return string? value nil when the parameter is missing; "" counts as missing, as in protobuf
---@return string? problem
local function query_value(query, wanted)
  for name, value in (query or ""):gmatch("([^&=]+)=?([^&]*)") do
    if decode_percent(name) == wanted then
      value = decode_percent((value:gsub("%+", " ")))
      if value == nil then return nil, "malformed escape in " .. quote(wanted) end
      if value ~= "" then return value end
    end
  end
end

local function is_authorized(request)
  local token = request.headers.authorization or ""
  if settings.auth_scheme then token = token:match("^" .. settings.auth_scheme .. " (.*)$") end
  local ends = tokens[token or ""]
  return ends ~= nil and core.monotonic() < ends
end

-- Stored secrets --------------------------------------------------------------------------------

local function key_of(secret_type, id)
  return secret_type .. "\0" .. id
end

---@return string? problem
local function store(secret, secret_key)
  local json, problem = core.encode(message_of(secret))
  if not json then return clean(problem) end
  local key = key_of(secret.secretType, secret.id)
  local entry = by_key[key]
  if not entry then
    entry = { key = key }
    by_key[key] = entry
    entries[#entries + 1] = entry
  end
  entry.secret, entry.secretKey, entry.json = secret, secret_key, json
end

local function remove(entry)
  by_key[entry.key] = nil
  for position, other in ipairs(entries) do
    if other == entry then return table.remove(entries, position) end
  end
end

-- Operations ------------------------------------------------------------------------------------

local operations = {}

function operations.list(request)
  local wanted, problem = query_value(request.query, "secretType")
  if problem then return refuse(400, problem) end
  local found = {}
  for _, entry in ipairs(entries) do
    if not wanted or entry.secret.secretType == wanted then found[#found + 1] = entry.json end
  end
  if #found == 0 then return reply(200, { secrets = setmetatable({}, core.array_mt) }) end
  return reply_text(200, '{"secrets":[' .. table.concat(found, ",") .. "]}")
end

function operations.put(request)
  local body, problem = read_body(request)
  if not body then return refuse(400, problem) end
  problem = check_members(body, { secret = true, secretKey = true })
    or check_secret(body.secret)
    or check_text(body.secretKey, "secretKey")
    or store(body.secret, body.secretKey)
  if problem then return refuse(400, problem) end
  return succeed("secret stored")
end

function operations.delete(_, secret_type, id)
  secret_type, id = decode_percent(secret_type), decode_percent(id)
  if not secret_type or not id then return refuse(400, "malformed escape in the path") end
  if secret_type == "" or id == "" then return refuse(400, "empty segment in the path") end
  local entry = by_key[key_of(secret_type, id)]
  if not entry then return refuse(404, "nothing is stored under this type and id") end
  remove(entry)
  return succeed("secret removed")
end

local function mint_token()
  local now = core.monotonic()
  for token, ends in pairs(tokens) do
    if ends <= now then tokens[token] = nil end
  end
  local token = random_hex(24)
  tokens[token] = now + settings.token_lifetime
  return token
end

function operations.authenticate(request)
  local body, problem = read_body(request)
  if not body then return refuse(400, problem) end
  problem = check_members(body, { apiKey = true }) or check_text(body.apiKey, "apiKey")
  if problem then return refuse(400, problem) end
  if body.apiKey ~= settings.api_key then return refuse(401, "unknown API key") end
  -- An int64 travels as a string. Rounded up, because 0 would say that the token is of no use.
  local seconds = ("%d"):format(math.ceil(settings.token_lifetime))
  return reply(200, { token = mint_token(), expiresIn = seconds, scope = "secrets" })
end

-- Routing ---------------------------------------------------------------------------------------

---@return table<string, string>? by_method operation names; nil when there is no such path
---@return string? secret_type raw
---@return string? id raw
local function find_path(path)
  if path == TOKEN_PATH then return { POST = "authenticate" } end
  if path == SECRETS_PATH then return { GET = "list", POST = "put" } end
  local secret_type, id = path:match("^" .. SECRETS_PATH .. "/([^/]*)/([^/]*)$")
  if id then return { DELETE = "delete" }, secret_type, id end
end

local function answer_normally(request)
  if not request.by_method then return refuse_route(404, 5, "Not Found") end
  if not request.op then return refuse_route(501, 12, "Method Not Allowed") end
  if request.too_large then return refuse(413, "the body is larger than 4 MiB") end
  if request.op ~= "authenticate" and not is_authorized(request) then
    return refuse(401, "no valid access token in Authorization")
  end
  return operations[request.op](request, request.secret_type, request.id)
end

local function take_fault(op)
  for position, fault in ipairs(faults) do
    if fault.op == nil or fault.op == op then
      fault.times = fault.times - 1
      if fault.times <= 0 then table.remove(faults, position) end
      return fault
    end
  end
  return {}
end

local function add_headers(answer, headers)
  for name, value in pairs(headers or {}) do
    if name:lower() == "content-type" then answer.headers["Content-Type"] = nil end
    answer.headers[name] = value
  end
end

local function answer_with(fault, request)
  local answer
  if fault.drop == "before" then
    answer = reply_text(0, "")
  elseif fault.status or fault.body then
    local status = fault.status or 200
    answer = fault.body and reply_text(status, fault.body) or refuse(status, "asked for by fail")
  else
    answer = answer_normally(request)
  end
  if fault.drop == "after" then answer.status = 0 end
  add_headers(answer, fault.headers)
  answer.delay, answer.drop = fault.delay, fault.drop
  return answer
end

---@param flat string[] names and values by turns
---@return table<string, string> headers by lower-case name; a repeated one joined by commas
local function read_headers(flat)
  local headers = {}
  for position = 1, #flat, 2 do
    local name, value = flat[position]:lower(), flat[position + 1]
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

local function keep_request(entry)
  last_request = last_request + 1
  requests[last_request] = entry
  if last_request - first_request == REQUESTS_KEPT then
    requests[first_request] = nil
    first_request = first_request + 1
  end
end

---@param raw { method: string, uri: string, headers: string[], body: string, too_large: boolean }
---@return { status: integer, headers: table, body: string, delay: number?, drop: string? }
function routes.handle(raw)
  local path, query = raw.uri:match("^([^?]*)%??(.*)$")
  local entry = {
    method = raw.method,
    path = path,
    query = raw.uri:find("?", 1, true) and query or nil,
    headers = read_headers(raw.headers),
    body = raw.body,
  }
  local by_method, secret_type, id = find_path(path)
  local op = by_method and by_method[raw.method]
  local answer = answer_with(take_fault(op), {
    op = op,
    by_method = by_method,
    secret_type = secret_type,
    id = id,
    query = entry.query,
    headers = entry.headers,
    body = entry.body,
    too_large = raw.too_large,
  })
  entry.status = answer.status
  keep_request(entry)
  return answer
end

-- Called by the emulator's methods --------------------------------------------------------------

local function plant(seed)
  if type(seed) ~= "table" then return "must be a table" end
  local secret, secret_key = seed.secret, seed.secretKey
  if secret == nil then
    secret, seed.secretKey = seed, nil
  else
    local problem = check_members(seed, { secret = true, secretKey = true })
    if problem then return problem end
  end
  secret_key = secret_key or ""
  if type(secret_key) ~= "string" then return '"secretKey" must be a string' end
  return check_secret(secret) or store(secret, secret_key)
end

---@param options bytenite.secrets.EmulatorOptions with the defaults filled in
function routes.configure(options)
  settings = options
  settings.api_key = options.api_key or random_hex(24)
  for position, seed in ipairs(options.seed) do
    local problem = plant(seed)
    if problem then error(("seed[%d]: %s"):format(position, problem), 0) end
  end
end

---@return string
function routes.api_key()
  return settings.api_key
end

function routes.fail(fault)
  faults[#faults + 1] = fault
end

---@return table[] the requests in the order of their arrival
function routes.requests()
  local list = {}
  for position = first_request, last_request do
    list[#list + 1] = requests[position]
  end
  return list
end

---@return table[] the records in the order of their creation, each with its secretKey
function routes.secrets()
  local list = {}
  for position, entry in ipairs(entries) do
    local record = { secretKey = entry.secretKey }
    for name, value in pairs(entry.secret) do
      record[name] = value
    end
    list[position] = record
  end
  return list
end

return routes
