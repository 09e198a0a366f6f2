-- What the rows of the fault matrix have in common: clients, the four operations, and the promises
-- that hold after every fault.
--
--   faults.check(row, op)     plays a row on a raw_server: see spec/faults/answer_spec.lua
--   faults.child(script, given)  runs a script in a process of its own, with `sabotage` preloaded;
--                             what the script returns comes back, through JSON
--   after_each(faults.clean_up)

local child = require "child"
local cjson = require "cjson"
local core = require "bytenite.secrets.core"
local lfs = require "lfs"
local process = require "process"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"
local socket = require "socket"

local assert = require "luassert"

local request = raw_server.request

local faults = {}

-- Every credential holds this word, and no text that leaves the module may.
faults.MARKER = "mark3d"
faults.KEY = "mark3d-secretKey-bPxRfiCY"
faults.TOKEN = "mark3d-accessToken-7a3c"
faults.API_KEY = "mark3d-apiKey-51d0"

faults.RECORD = { id = "my-key", secretType = "s3" }

-- An answer that each operation takes for a success.
faults.HONEST = raw_server.answer(200,
  '{"ok":true,"secrets":[],"token":"mark3d-granted-e7","expiresIn":"3600"}')

-- Sanitizers and valgrind need more time.
local SLOW = tonumber(os.getenv("SPEC_SLOW")) or 1
local OVERSHOOT = 0.25
local DEADLINE = 4

faults.OPS = { "list", "put", "delete", "authenticate" }
faults.WRITES = { put = true, delete = true }

local calls = {}

function calls.list(client, limits)
  return client:list(nil, limits)
end

function calls.put(client, limits, key)
  return client:put(faults.RECORD, key or faults.KEY, limits)
end

function calls.delete(client, limits)
  return client:delete("s3", "my-key", limits)
end

function calls.authenticate(client, limits)
  return client:authenticate(limits)
end

---Calls an operation.
---@param op string
---@param client table
---@param limits table?
---@param key string? for put
---@return any, any, number? seconds that it took
function faults.call(op, client, limits, key)
  local started = core.monotonic()
  local value, err = calls[op](client, limits, key)
  return value, err, core.monotonic() - started
end

-- What a test has opened, to be closed after it.
local opened = {}

---Remembers something with a `close` or `stop` method.
function faults.keep(thing)
  opened[#opened + 1] = thing
  return thing
end

function faults.clean_up()
  for position = #opened, 1, -1 do
    local thing = opened[position]
    local close = thing.close or thing.stop
    close(thing)
  end
  opened = {}
end

---@param scripts table
---@param options table?
function faults.server(scripts, options)
  return faults.keep(raw_server.start(scripts, options))
end

---Makes a client for operation `op` with short times.
---@param url string
---@param op string
---@param options table? of secrets.new, added
function faults.client(url, op, options)
  local all = {
    base_url = url,
    ignore_env = true,
    connect_timeout = 2 * SLOW,
    timeout = 2 * SLOW,
    deadline = DEADLINE * SLOW,
    retries = 1,
  }
  if op == "authenticate" then
    all.api_key = faults.API_KEY
  else
    all.access_token = faults.TOKEN
  end
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return faults.keep(assert(secrets.new(all)))
end

---@param url string of a raw_server
---@return string
function faults.https(url)
  return (url:gsub("^http:", "https:"))
end

---A script that answers so many requests of a connection.
---@param first table|false|nil a first step
---@param times integer?
function faults.honest(first, times)
  local script = { first or nil }
  for _ = 1, times or 4 do
    script[#script + 1] = request
    script[#script + 1] = faults.HONEST
  end
  return script
end

---How many descriptors are open.
---@return integer
function faults.descriptors()
  collectgarbage()
  collectgarbage()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do
    count = count + 1
  end
  return count
end

-- The first text with the marker in it, within tables too.
local function leak_in(value, seen)
  if type(value) == "string" then return value:find(faults.MARKER, 1, true) and value end
  if type(value) ~= "table" or seen[value] then return nil end
  seen[value] = true
  for name, inner in pairs(value) do
    local found = leak_in(name, seen) or leak_in(inner, seen)
    if found then return found end
  end
end

---Asserts that no credential stands in a value or its text.
function faults.assert_clean(...)
  for position = 1, select("#", ...) do
    local value = select(position, ...)
    assert.is_nil(leak_in(value, {}), "a secret leaks")
    assert.is_nil(leak_in(tostring(value), {}), "a secret leaks through tostring")
  end
end

---Asserts an upper bound for a call with a deadline.
---@param elapsed number seconds
---@param deadline number seconds
function faults.assert_in_time(elapsed, deadline)
  assert.is_true(elapsed <= deadline + OVERSHOOT * SLOW,
    ("%.3f s under a deadline of %.3f s"):format(elapsed, deadline))
end

---Waits until something holds, for what another process will soon have seen.
---@param holds fun(): boolean
function faults.eventually(holds)
  local ends = socket.gettime() + 2 * SLOW
  while not holds() and socket.gettime() < ends do
    socket.sleep(0.005)
  end
  return holds()
end

---How many whole requests a raw_server saw, each of which may have been applied.
---@return integer
function faults.complete_requests(server)
  local count = 0
  for _, requests in ipairs(server:requests()) do
    for _, text in ipairs(requests) do
      local _, head = text:find("\r\n\r\n", 1, true)
      local length = head and tonumber(text:match("\r\n[Cc]ontent%-[Ll]ength: (%d+)") or 0)
      if head and #text >= head + length then count = count + 1 end
    end
  end
  return count
end

-- Rows --------------------------------------------------------------------------------------------

---@class faults.Row
---@field script table what the server does with each connection that meets the fault
---@field tls table|boolean? a pair, or true for the good one: the scripts are encrypted
---@field handshake boolean? the script takes the place of the handshake of a https server
---@field kind string? of the error; nil when the call succeeds
---@field attempts integer?
---@field sends integer? requests that leave; as many as attempts by default
---@field ambiguous boolean? for put and delete
---@field at_least number? seconds
---@field options table? of secrets.new
---@field key string? for put
---@field final boolean? the server is of no use afterwards

local function scripts_of(row, attempts)
  local certificates = (row.tls or row.handshake) and require "certificates"
  local pair = type(row.tls) == "table" and row.tls or certificates and certificates.good
  local first = row.tls and raw_server.tls(pair)
  local scripts = {}
  for attempt = 1, attempts do
    local script = { first or nil }
    for _, step in ipairs(row.script) do
      script[#script + 1] = step
    end
    scripts[attempt] = script
  end
  scripts[#scripts + 1] = faults.honest(certificates and raw_server.tls(certificates.good))
  return scripts
end

local function options_of(row, events)
  local options = {}
  for name, value in pairs(row.options or {}) do
    options[name] = value
  end
  if row.tls or row.handshake then
    options.ca_file = options.ca_file or not options.ca_path and require("certificates").ca or nil
  end
  function options.on_event(event)
    events[#events + 1] = event
  end
  return options
end

-- What an Error says must be what happened.
local function check_error(row, op, err)
  local ambiguous = faults.WRITES[op] and row.ambiguous or false
  local attempts = row.attempts or 2
  assert.are.equal(row.kind, err.kind, tostring(err) .. " " .. tostring(err.cause))
  assert.are.equal(attempts, err.attempts, tostring(err))
  assert.are.equal(ambiguous, err.ambiguous, tostring(err))
  assert.are.equal(row.sends or attempts, err.sends, tostring(err))
end

---Plays a row with an operation and checks all that it promises.
---@param row faults.Row
---@param op string
function faults.check(row, op)
  local before = faults.descriptors()
  local attempts = row.attempts or row.kind and 2 or 1
  local server = faults.server(scripts_of(row, attempts))
  local encrypted = row.tls or row.handshake
  local events = {}
  local client = faults.client(encrypted and faults.https(server.url) or server.url, op,
    options_of(row, events))
  local value, err, elapsed = faults.call(op, client, nil, row.key)
  faults.assert_in_time(elapsed, row.options and row.options.deadline or DEADLINE * SLOW)
  assert.is_true(elapsed >= (row.at_least or 0))
  faults.assert_clean(err, events, client)
  if row.kind then
    assert.is_nil(value)
    check_error(row, op, err)
    local sends = row.sends or attempts
    assert.is_true(faults.eventually(function()
      return server:sends() == sends
    end), ("%d requests came, not %d"):format(server:sends(), sends))
    if faults.WRITES[op] and not err.ambiguous and not err.status then
      assert.are.equal(0, faults.complete_requests(server), "it may have been applied")
    end
  else
    assert.is_nil(err)
    assert.is_not_nil(value)
  end
  if not row.final then assert.is_truthy(faults.call(op, client)) end
  faults.clean_up()
  assert.are.equal(before, faults.descriptors())
end

-- Processes of their own --------------------------------------------------------------------------

local SABOTAGE = (os.getenv("BUILD") or ".build") .. "/sabotage.so"

local CHILD = [[
local cjson = require "cjson"
local sabotage = require "sabotage"
-- Not before it is needed: some hosts start without the module.
local faults = setmetatable({}, { __index = function(_, name)
  return require("faults")[name]
end })
local given = cjson.decode(%q)
local function run()
%s
end
io.stdout:write(cjson.encode({ run() }))
]]

---Runs a program with `sabotage` preloaded.
---@return integer pid
---@return integer fd its standard output
function faults.spawn(...)
  return child.preload(SABOTAGE, ...)
end

---@param script string Lua; it finds `given`, `faults` and `sabotage`
---@param given table?
---@return string
function faults.script(script, given)
  return CHILD:format(cjson.encode(given or { slow = SLOW }), script)
end

---Runs a script in a process of its own, which must end well.
---@param script string see faults.script
---@param given table?
---@return any what the script returns
function faults.child(script, given)
  local pid, fd = faults.spawn(os.getenv("LUA") or "lua", "-e", faults.script(script, given))
  local output = child.read_all(fd)
  assert.are.equal(0, process.wait(pid), output)
  local results = cjson.decode(output)
  return (table.unpack or unpack)(results)
end

faults.SLOW = SLOW

return faults
