-- The server of the benchmark: one nginx worker on loopback, from a temporary directory, with
-- static answers in the form of the contract.
--
--   local server = server.start(cpu)
--   server.http, server.https   base URLs; with a path behind them:
--                                 /close         each answer ends the connection
--                                 /20ms, /100ms  each answer comes after that time
--                                 /10000, /100000  listings of that many records
--   server.ca                   file of the authority that signed its certificate
--   server.system_ca            FILE:DIRECTORY, the system's store with that authority in it
--   server.listing(count)       path of the listing's file
--   server.stop()

local certificates = require "certificates"
local meter = require "meter"
local process = require "process"
local socket = require "socket"

local RECORD = '{"id":"s3-%06d","secretType":"s3","expiresAt":"2029-12-29T18:02:%02d.%03dZ",'
  .. '"accessKey":"AKIAIOSFODNN7E%06d","params":{"ANY_ADDITIONAL_PROPERTY":"text"},'
  .. '"name":"Bucket of job %06d"}'

local function record(number)
  return RECORD:format(number, number // 1000 % 60, number % 1000, number, number)
end

local LIST = '{"secrets":[' .. record(1) .. "]}"
local RECEIPT = '{"ok":true,"requestId":"5f3c9a1e-7b24-4d0c-9a55","message":"done"}'

local CONFIGURATION = [[
daemon off;
master_process off;
pid %(place)/nginx.pid;
error_log stderr error;
load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;
events { worker_connections 1024; }
http {
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path %(place)/client_body;
  proxy_temp_path %(place)/proxy;
  fastcgi_temp_path %(place)/fastcgi;
  uwsgi_temp_path %(place)/uwsgi;
  scgi_temp_path %(place)/scgi;
  map $request_method $answer { GET '%(list)'; default '%(receipt)'; }
  server {
    listen 127.0.0.1:%(port);
    listen 127.0.0.1:%(tls_port) ssl;
    ssl_certificate %(certificate);
    ssl_certificate_key %(key);
    location / { return 200 $answer; }
    location /close/ { keepalive_timeout 0; return 200 $answer; }
    location /20ms/ { echo_sleep 0.02; echo_exec @answer; }
    location /100ms/ { echo_sleep 0.1; echo_exec @answer; }
    location @answer { return 200 $answer; }
    location = /10000/v1/auth/secrets { alias %(place)/10000.json; }
    location = /100000/v1/auth/secrets { alias %(place)/100000.json; }
  }
}
]]

-- A copy of the system's store, with our own authority added to its bundle and to its directory.
local STORE = [[
set -e
cp -a /etc/ssl/certs %(place)/store
cp %(ca) %(place)/store/bench.pem
ln -s bench.pem %(place)/store/$(openssl x509 -hash -noout -in %(ca)).0
cat /etc/ssl/certs/ca-certificates.crt %(ca) >%(place)/bundle.pem
]]

local server = {}

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

-- Puts values in the places of their names: %(name).
local function fill(text, values)
  return (text:gsub("%%%((.-)%)", values))
end

local function run(command)
  local pipe = io.popen(command)
  local output = pipe:read("a")
  assert(pipe:close(), command)
  return output
end

-- Piece by piece: the most memory that this process ever had counts for those it starts.
local function write_listing(path, count)
  local file = assert(io.open(path, "w"))
  file:write('{"secrets":[')
  for number = 1, count do
    file:write(number > 1 and "," or "", record(number))
  end
  file:write("]}")
  file:close()
end

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return port
end

local function wait_until_up(port)
  for _ = 1, 100 do
    local connection = socket.connect("127.0.0.1", port)
    if connection then return connection:close() end
    socket.sleep(0.05)
  end
  error("nginx does not start")
end

---Starts nginx; later on the caller pins itself to other CPUs.
---@param cpu integer
---@param places table as CONFIGURATION names them
local function start_nginx(cpu, places)
  local path = places.place .. "/nginx.conf"
  write(path, fill(CONFIGURATION, places))
  meter.pin(cpu)
  local pid = process.spawn("setpriv", "--pdeathsig", "TERM", "/usr/sbin/nginx", "-p",
    places.place, "-c", path)
  wait_until_up(places.port)
  return pid
end

local function absolute(path)
  return (run("realpath " .. path):gsub("\n", ""))
end

---@param cpu integer
function server.start(cpu)
  local place = run("mktemp -d"):gsub("\n", "")
  run(fill(STORE, { place = place, ca = certificates.ca }))
  for _, count in ipairs { 10000, 100000 } do
    write_listing(("%s/%d.json"):format(place, count), count)
  end
  local places = {
    place = place,
    list = LIST,
    receipt = RECEIPT,
    port = free_port(),
    tls_port = free_port(),
    certificate = absolute(certificates.good.certificate),
    key = absolute(certificates.good.key),
  }
  local pid = start_nginx(cpu, places)
  return {
    http = "http://127.0.0.1:" .. places.port,
    https = "https://127.0.0.1:" .. places.tls_port,
    ca = certificates.ca,
    system_ca = place .. "/bundle.pem:" .. place .. "/store",
    listing = function(count)
      return ("%s/%d.json"):format(place, count)
    end,
    stop = function()
      process.kill(pid, 15)
      process.wait(pid)
      run("rm -r " .. place)
    end,
  }
end

return server
