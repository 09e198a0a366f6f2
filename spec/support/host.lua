-- Applications that embed Lua, run as their users would run them: from a directory of their own
-- with copies of the files of spec/hosts/NAME, beside an installation of the module.
--
--   local ABI = host.lua_of("haproxy -vv")         its version of Lua
--   local place = host.place("lighttpd", "5.4")    configuration in it, on a port that is free
--   place:start("lighttpd", "-D", "-f", "lighttpd.conf")
--   place:request("GET", "/credentials")
--   place:stop()                                   exit status
--   after_each(host.clean_up)

local emulator = require "bytenite.secrets.emulator"
local http = require "socket.http"
local lfs = require "lfs"
local ltn12 = require "ltn12"
local process = require "process"
local read = require "read"
local shell = require "shell"
local socket = require "socket"

local assert = require "luassert"

local SIGKILL, SIGTERM = 9, 15
local PATIENCE = 20 -- seconds

-- What `make test-hosts` has installed, for all versions of Lua.
local INSTALLED = lfs.currentdir() .. "/.build/hosts"

http.TIMEOUT = PATIENCE

local host = {}

local Place = {}
Place.__index = Place

local places = {}

-- Files ------------------------------------------------------------------------------------------

function Place:path(name)
  return self.directory .. "/" .. name
end

---Writes a file that the host may read and others may not.
function Place:write(name, text)
  local file = assert(io.open(self:path(name), "wb"))
  file:write(text)
  file:close()
  shell(("chmod 600 '%s'"):format(self:path(name)))
  self:hand_over()
end

---Changes a file.
---@param name string
---@param pattern string
---@param replacement string
function Place:edit(name, pattern, replacement)
  local text, count = read(self:path(name)):gsub(pattern, replacement)
  assert(count > 0, "nothing to change in " .. name)
  self:write(name, text)
end

-- Hosts do not run as root, unless a spec sets `starts_as_root`.
function Place:hand_over()
  if self.is_root then shell(("chown -R nobody: '%s'"):format(self.directory)) end
end

---Takes a file away from the host, for one that starts as root and becomes another user.
function Place:keep_for_root(name)
  shell(("chown root: '%s'"):format(self:path(name)))
  self.starts_as_root = true
end

---@return string all that the host has logged
function Place:log()
  local texts = {}
  for name in lfs.dir(self.directory) do
    if name:find("%.log$") then texts[#texts + 1] = read(self:path(name)) end
  end
  return table.concat(texts)
end

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return port
end

---The version of Lua that a host has, which differs between releases of Debian.
---@param command string prints it
---@return string abi
function host.lua_of(command)
  local output = shell(command .. " 2>&1")
  return output:match("[Ll]ua ?(5%.%d)") or error("which Lua is in this?\n" .. output)
end

---Makes a directory for a host of a folder in spec/hosts.
---@param name string of the folder
---@param abi string version of Lua, "5.1" for LuaJIT
---@param seed table[]? what the emulator begins with
function host.place(name, abi, seed)
  local directory = shell("mktemp -d"):match("[^\n]+")
  local place = setmetatable({
    abi = abi,
    directory = directory,
    emulator = assert(emulator.start { seed = seed }),
    is_root = shell("id -u") == "0\n",
    port = free_port(),
    signal = SIGTERM,
  }, Place)
  places[#places + 1] = place
  shell(("chmod 755 '%s' && cp -r '%s' '%s/lua' && cp -r spec/hosts/%s/. '%s' && "
    .. "sed -i s/8080/%d/g '%s'/*.* "):format(directory, INSTALLED, directory, name, directory,
    place.port, directory))
  place:write("api_key", place.emulator.api_key)
  place:write("host.log", "")
  return place
end

-- Processes --------------------------------------------------------------------------------------

-- The words of a command that runs a program as the host's user, in the place, with its
-- environment alone. The program is the leader of its process group.
local function command_of(place, ...)
  local tree = place.directory .. "/lua/%s/lua/" .. place.abi
  local words = {
    "sh", "-c", [[cd "$0" && exec "$@" >>host.log 2>&1 </dev/null]], place.directory, "setsid",
  }
  local function add(...)
    for position = 1, select("#", ...) do
      words[#words + 1] = (select(position, ...))
    end
  end
  if place.is_root and not place.starts_as_root then
    add("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
  end
  add("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" .. place.directory,
    "LUA_PATH=" .. tree:format("share") .. "/?.lua;;",
    "LUA_CPATH=" .. tree:format("lib") .. "/?.so;;",
    "BYTENITE_BASE_URL=" .. place.emulator.url, "BYTENITE_API_KEY_FILE=" .. place:path("api_key"))
  add(...)
  return words
end

---Starts the host, or another program.
function Place:launch(...)
  local preload = os.getenv("LD_PRELOAD")
  process.setenv("LD_PRELOAD")
  local pid, fd = process.spawn((table.unpack or unpack)(command_of(self, ...)))
  process.setenv("LD_PRELOAD", preload)
  process.close(fd)
  self.pid = pid
end

---Starts the host and waits until it listens.
function Place:start(...)
  self:launch(...)
  local ends = socket.gettime() + PATIENCE
  local status
  repeat
    local connection = socket.connect("127.0.0.1", self.port)
    if connection then return connection:close() end
    socket.sleep(0.02)
    status = process.wait(self.pid, 0)
  until status or socket.gettime() > ends
  if status then self.pid = nil end
  error("the host does not listen:\n" .. self:log())
end

---Waits until the host has ended.
---@return integer status minus the signal if one ended it
function Place:wait()
  local status = process.wait(self.pid, PATIENCE)
  assert(status, "the host does not end:\n" .. self:log())
  self.pid = nil
  assert(not self:log():find("exit[ed on]* signal"), "a process of the host has crashed")
  return status
end

---Ends the host with its `signal`.
---@return integer status
function Place:stop()
  process.kill(self.pid, self.signal)
  return self:wait()
end

---Runs a program to its end.
---@return integer status
function Place:run(...)
  self:launch(...)
  return self:wait()
end

-- What a failed test has left.
local function kill_group(pid)
  pcall(process.kill, -pid, SIGKILL)
  process.wait(pid)
end

function host.clean_up()
  for _, place in ipairs(places) do
    if place.pid then kill_group(place.pid) end
    place.emulator:stop()
    shell(("rm -rf '%s'"):format(place.directory))
  end
  places = {}
end

-- What comes of it -------------------------------------------------------------------------------

---@return integer|string status or what went wrong
---@return string body
function Place:request(method, path, body)
  local pieces = {}
  local _, status = http.request {
    url = ("http://127.0.0.1:%d%s"):format(self.port, path),
    method = method,
    headers = { ["content-length"] = body and #body },
    source = body and ltn12.source.string(body),
    sink = ltn12.sink.table(pieces),
  }
  return status, table.concat(pieces)
end

---Sends a request whose answer is to be read later.
---@return fun(): string? answer all of it
function Place:begin(method, path)
  local connection = assert(socket.connect("127.0.0.1", self.port))
  connection:settimeout(PATIENCE)
  assert(connection:send(("%s %s HTTP/1.0\r\n\r\n"):format(method, path)))
  return function()
    local answer, _, rest = connection:receive("*a")
    connection:close()
    return answer or rest
  end
end

---Waits until something holds.
function host.eventually(holds)
  local ends = socket.gettime() + PATIENCE
  while not holds() do
    assert(socket.gettime() < ends, "it does not come to that")
    socket.sleep(0.02)
  end
end

---Makes the service refuse the next put in words that quote its key.
function Place:refuse_put(key)
  self.emulator:fail {
    op = "put",
    status = 400,
    body = [[{"ok":false,"error":{"code":3,"description":"the key ]] .. key .. [[ is too short"}}]],
  }
end

---Asserts that no credential stands in what the host has logged.
function Place:assert_no_secret(...)
  local log = self:log()
  local credentials = { self.emulator.api_key, ... }
  for _, request in ipairs(self.emulator:requests()) do
    credentials[#credentials + 1] = request.headers.authorization
  end
  for _, credential in ipairs(credentials) do
    assert(not log:find(credential, 1, true), "a credential is in the log")
  end
end

return host
