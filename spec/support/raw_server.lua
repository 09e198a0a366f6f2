-- A TCP server that plays scripts instead of speaking HTTP, for answers that no honest server
-- gives. It is a process of its own and serves many connections at once.
--
--   local server = raw_server.start { { raw_server.request, "HTTP/1.1 200 OK\r\nContent-Le" } }
--   server.url, server.port
--   server:requests()   what was read: per connection an array of requests, whole or cut short
--   server:sends()      how many requests that is
--   server:stop()
--
-- Connection number n plays script number n; those after the last script play the last one. A
-- script is an array of steps, and at its end the connection is closed:
--
--   "text"               sends it
--   request              reads a whole request, head and body
--   read(bytes)          reads so many bytes
--   wait(seconds)
--   hold                 waits until the client goes away
--   reset                closes with RST instead of FIN
--   cut                  closes the connection under TLS, without TLS's own closing
--   tls(pair, protocol)  encrypts from here on, with a pair of spec/support/certificates.lua
--   skip(bytes)          reads so many bytes that are no request
--   flood(text, times)   sends it so often, or until the client goes away; times may be math.huge
--   drip(text, seconds)  sends it byte by byte, each after so long

local compile = require "compile"
local socket = require "socket"

local HOST = "127.0.0.1"
local START_SECONDS = 10
local PIECE = 8192
local FILE = debug.getinfo(1, "S").source:sub(2)

-- The server's process ----------------------------------------------------------------------------

-- A task is a coroutine that yields what it waits for: a socket and "read" or "write", or a point
-- in time.
local tasks = {}
local connections = {}

local function resume(task, ...)
  local ok, subject, mode = coroutine.resume(task.thread, ...)
  if not ok then error(debug.traceback(task.thread, subject), 0) end
  task.wakes, task.subject, task.mode = nil, nil, nil
  if mode == "at" then
    task.wakes = subject
  else
    task.subject, task.mode = subject, mode
  end
end

local function start_task(body, ...)
  local task = { thread = coroutine.create(body) }
  tasks[#tasks + 1] = task
  resume(task, ...)
end

local function pause(seconds)
  coroutine.yield(socket.gettime() + seconds, "at")
end

-- What a socket that is not ready says; one with TLS may wait for the other direction.
local WAITS = { timeout = true, wantread = "read", wantwrite = "write" }

-- More bytes; nil when the client has gone.
local function receive(client)
  local mode = "read"
  while true do
    if not client:dirty() then coroutine.yield(client, mode) end
    local text, reason, part = client:receive(PIECE)
    text = text or part
    if text ~= "" then return text end
    if not WAITS[reason] then return nil end
    mode = WAITS[reason] == "write" and "write" or "read"
  end
end

local function send(client, text)
  local position = 1
  while position <= #text do
    local last, reason, part = client:send(text, position)
    if not last and not WAITS[reason] then return false end
    position = (last or part) + 1
    if position <= #text then
      coroutine.yield(client, WAITS[reason] == "read" and "read" or "write")
    end
  end
  return true
end

local function request_length(text)
  local _, head = text:find("\r\n\r\n", 1, true)
  if not head then return nil end
  local body = text:sub(1, head):lower():match("\r\ncontent%-length:%s*(%d+)")
  return head + (tonumber(body) or 0)
end

local steps = {}

-- Reads until `length_of` knows a length and so much is there; keeps what is beyond it.
local function read_until(connection, length_of)
  local length = length_of(connection.unread)
  while not length or #connection.unread < length do
    local more = receive(connection.client)
    if not more then
      length = #connection.unread
      connection.gone = true
      break
    end
    connection.unread = connection.unread .. more
    length = length_of(connection.unread)
  end
  if length > 0 then
    connection.requests[#connection.requests + 1] = connection.unread:sub(1, length)
  end
  connection.unread = connection.unread:sub(length + 1)
  return not connection.gone
end

function steps.request(connection)
  return read_until(connection, request_length)
end

function steps.read(connection, bytes)
  return read_until(connection, function()
    return bytes
  end)
end

function steps.send(connection, text)
  return send(connection.client, text)
end

function steps.wait(_, seconds)
  pause(seconds)
  return true
end

function steps.hold(connection)
  repeat
    local more = receive(connection.client)
  until not more
  return false
end

-- The socket without its TLS, which is kept from being collected, for that would close it.
local function bare_socket(connection)
  if not connection.encrypted then return connection.client end
  local bare = socket.tcp()
  bare:setfd(connection.client:getfd())
  connection.encrypted, connection.client = connection.client, bare
  return bare
end

function steps.reset(connection)
  bare_socket(connection):setoption("linger", { on = true, timeout = 0 })
  return false
end

function steps.cut(connection)
  bare_socket(connection)
  return false
end

function steps.skip(connection, bytes)
  local requests = #connection.requests
  local all = steps.read(connection, bytes)
  connection.requests[requests + 1] = nil
  return all
end

-- Protocols older than 1.2 need a security level at which their digests are good enough.
function steps.tls(connection, certificate, key, protocol)
  local ssl = require "ssl"
  local context = assert(ssl.newcontext {
    mode = "server",
    protocol = protocol,
    certificate = certificate,
    key = key,
    ciphers = "DEFAULT:@SECLEVEL=0",
    alpn = { "h2", "http/1.1" },
  })
  local client = assert(ssl.wrap(connection.client, context))
  connection.client, connection.encrypted = client, true
  client:settimeout(0)
  while true do
    local ready, reason = client:dohandshake()
    if ready then return true end
    if not WAITS[reason] then return false end
    coroutine.yield(client, WAITS[reason])
  end
end

function steps.flood(connection, text, times)
  local sent = 0
  while sent < times do
    if not send(connection.client, text) then return false end
    sent = sent + 1
    pause(0)
  end
  return true
end

function steps.drip(connection, text, seconds)
  for position = 1, #text do
    pause(seconds)
    if not send(connection.client, text:sub(position, position)) then return false end
  end
  return true
end

local function play(client, script)
  local connection = { client = client, unread = "", requests = {} }
  connections[#connections + 1] = connection
  client:settimeout(0)
  client:setoption("tcp-nodelay", true)
  for _, step in ipairs(script) do
    if not steps[step[1]](connection, step[2], step[3], step[4]) then break end
  end
  connection.client:close()
end

local function accept(listener, scripts)
  while true do
    coroutine.yield(listener, "read")
    local client = listener:accept()
    if client then
      start_task(play, client, scripts[math.min(#connections + 1, #scripts)])
    end
  end
end

-- Tells the specs' process what was read, whenever it asks; ends with it.
local function report(control)
  while true do
    coroutine.yield(control, "read")
    if not control:receive("*l") then os.exit(0) end
    local parts = {}
    for _, connection in ipairs(connections) do
      for _, text in ipairs(connection.requests) do
        parts[#parts + 1] = #text .. "\n" .. text
      end
      parts[#parts + 1] = "next\n"
    end
    control:send(table.concat(parts) .. "end\n")
  end
end

local function run_tasks()
  while true do
    local readers, writers, now, soonest = {}, {}, socket.gettime(), nil
    for _, task in ipairs(tasks) do
      if task.mode == "read" then readers[#readers + 1] = task.subject end
      if task.mode == "write" then writers[#writers + 1] = task.subject end
      if task.wakes then soonest = math.min(soonest or math.huge, task.wakes) end
    end
    local readable, writable =
      socket.select(readers, writers, soonest and math.max(0, soonest - now))
    now = socket.gettime()
    local woken = tasks
    tasks = {}
    for _, task in ipairs(woken) do
      local ready = task.mode == "read" and readable[task.subject]
        or task.mode == "write" and writable[task.subject]
        or task.wakes and task.wakes <= now
      if ready then resume(task) end
      if coroutine.status(task.thread) ~= "dead" then tasks[#tasks + 1] = task end
    end
  end
end

local function serve(control_port)
  local control = assert(socket.connect(HOST, tonumber(control_port)))
  control:setoption("tcp-nodelay", true)
  local text = assert(control:receive(assert(tonumber(control:receive("*l")))))
  local options = assert(compile(text))()
  local listener = assert(socket.bind(HOST, options.port, 64))
  local _, port = listener:getsockname()
  listener:settimeout(0)
  control:send(port .. "\n")
  start_task(accept, listener, options.scripts)
  start_task(report, control)
  run_tasks()
end

-- For specs ---------------------------------------------------------------------------------------

local raw_server = {
  request = { "request" },
  hold = { "hold" },
  reset = { "reset" },
  cut = { "cut" },
}

function raw_server.read(bytes)
  return { "read", bytes }
end

function raw_server.skip(bytes)
  return { "skip", bytes }
end

---@param pair { certificate: string, key: string }
---@param protocol string? of LuaSec, such as "tlsv1_1"; by default whatever the client wants
function raw_server.tls(pair, protocol)
  return { "tls", pair.certificate, pair.key, protocol or "any" }
end

function raw_server.wait(seconds)
  return { "wait", seconds }
end

function raw_server.flood(text, times)
  return { "flood", text, times }
end

function raw_server.drip(text, seconds)
  return { "drip", text, seconds }
end

---A whole answer.
---@param status integer|string such as 200, or "200 OK"
---@param body string?
---@param headers string? further lines, each with its end
function raw_server.answer(status, body, headers)
  body = body or ""
  -- Lua 5.1 would format the body only as far as a zero byte.
  return ("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n")
    :format(status, #body, headers or "") .. body
end

---A port on which nobody listens.
function raw_server.free_port()
  local listener = assert(socket.bind(HOST, 0))
  local _, port = listener:getsockname()
  listener:close()
  return port
end

local function write_value(value)
  if value == math.huge then return "1/0" end
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for position, inner in ipairs(value) do
    parts[position] = write_value(inner)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function write_scripts(scripts)
  local parts = {}
  for position, script in ipairs(scripts) do
    local written = {}
    for number, step in ipairs(script) do
      written[number] = type(step) == "string" and { "send", step } or step
      assert(steps[written[number][1]], "no such step")
    end
    parts[position] = written
  end
  return write_value(parts)
end

local Server = {}
Server.__index = Server

---@param scripts table[] one for each connection; at least one
---@param options { port: integer? }? port: any free one by default
function raw_server.start(scripts, options)
  local process = require "process"
  local listener = assert(socket.bind(HOST, 0))
  local _, control_port = listener:getsockname()
  listener:settimeout(START_SECONDS)
  local pid, output = process.spawn(os.getenv("LUA") or "lua", FILE, "--serve", control_port)
  local control = assert(listener:accept())
  listener:close()
  control:settimeout(START_SECONDS)
  local text = ("return { port = %d, scripts = %s }"):format(options and options.port or 0,
    write_scripts(scripts))
  control:send(#text .. "\n" .. text)
  local port = assert(tonumber(control:receive("*l")))
  return setmetatable({
    port = port,
    url = ("http://%s:%d"):format(HOST, port),
    pid = pid,
    output = output,
    control = control,
  }, Server)
end

---@return string[][] per connection, in the order in which they were accepted
function Server:requests()
  self.control:send("requests\n")
  local all, requests = {}, {}
  for line in function() return assert(self.control:receive("*l")) end do
    if line == "end" then return all end
    if line == "next" then
      all[#all + 1], requests = requests, {}
    else
      requests[#requests + 1] = assert(self.control:receive(tonumber(line)))
    end
  end
end

---@return integer
function Server:sends()
  local count = 0
  for _, requests in ipairs(self:requests()) do
    count = count + #requests
  end
  return count
end

---Ends the process, and with it all connections; idempotent.
function Server:stop()
  if not self.pid then return end
  local process = require "process"
  process.kill(self.pid, 9)
  process.wait(self.pid)
  process.close(self.output)
  self.control:close()
  self.pid = nil
end

local mode, control_port = ...
if mode == "--serve" then serve(control_port) end
return raw_server
