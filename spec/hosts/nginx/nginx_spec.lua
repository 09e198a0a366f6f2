local host = require "host"
local page = require "credentials_page"
local process = require "process"
local socket = require "socket"

local COMMAND = { "nginx", "-p", ".", "-c", "nginx.conf" }
local SIGHUP, SIGQUIT = 1, 3

page.describe { name = "nginx", folder = "nginx", abi = "5.1", command = COMMAND }

describe("nginx", function()
  after_each(host.clean_up)

  local function start(place)
    place:start((table.unpack or unpack)(COMMAND))
  end

  it("warns of what expires, from a timer of one worker", function()
    local place = host.place("nginx", "5.1", {
      { id = "soon", secretType = "s3", expiresAt = "2020-01-01T00:00:00Z" },
      { id = "never", secretType = "s3" },
    })
    start(place)
    host.eventually(function()
      return place:log():find "expires at"
    end)
    assert.are.equal(0, place:stop())
    local log = place:log()
    assert.matches("%[warn%] .*s3/soon expires at 2020%-01%-01T00:00:00Z", log)
    assert.are.equal(1, select(2, log:gsub("expires at", "")))
  end)

  it("gets one token for all requests of a worker", function()
    local place = host.place("nginx", "5.1")
    place:edit("nginx.conf", "worker_processes 2", "worker_processes 1")
    place:edit("nginx.conf", "credentials%.watch%(%)", "") -- which lists as well
    start(place)
    place.emulator:fail { op = "authenticate", delay = 1 }
    local answers = {}
    for number = 1, 5 do
      answers[number] = place:begin("GET", "/credentials")
    end
    for _, answer in ipairs(answers) do
      assert.matches("^HTTP/1%.%d 200", answer())
    end
    assert.are.equal(6, #place.emulator:requests())
  end)

  it("reads the key as root, and calls as another user", function()
    local place = host.place("nginx", "5.1")
    if not place.is_root then return pending "it needs root" end
    place:edit("nginx.conf", "worker_processes", "user nobody nogroup;\n%0")
    place:keep_for_root "api_key"
    start(place)
    assert.are.same({ 200, "" }, { place:request("PUT", "/credentials/s3/a", "key") })
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.are.equal(0, place:stop())
  end)

  it("lets a call end when it stops gracefully", function()
    local place = host.place("nginx", "5.1")
    start(place)
    local answer = page.start_slow_list(place, 1)
    process.kill(place.pid, SIGQUIT)
    assert.matches("^HTTP/1%.%d 200", answer())
    assert.are.equal(0, place:wait())
  end)

  it("goes on after it has reloaded its configuration", function()
    local place = host.place("nginx", "5.1")
    start(place)
    assert.are.equal(200, (place:request("PUT", "/credentials/s3/a", "key")))
    process.kill(place.pid, SIGHUP)
    host.eventually(function()
      return select(2, place:log():gsub("gracefully shutting down", "")) > 0
    end)
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.are.equal(0, place:stop())
  end)

  it("lets the workers use a client that has called in the master process", function()
    local place = host.place("nginx", "5.1")
    place:edit("nginx.conf", 'credentials = require "credentials"', [[%0
      assert(require("bytenite.secrets").list())]])
    place:edit("nginx.conf", "location /credentials", [[location = /blocking {
      content_by_lua_block {
        ngx.say(ngx.worker.pid(), " ", #assert(require("bytenite.secrets").list()))
      }
    }
    %0]])
    start(place)
    local workers, count = {}, 0
    host.eventually(function()
      local status, text = place:request("GET", "/blocking")
      assert.are.equal(200, status)
      local pid = assert(text:match("^(%d+) 0\n$"))
      if not workers[pid] then count = count + 1 end
      workers[pid] = true
      return count == 2
    end)
    assert.are.equal(0, place:stop())
  end)

  -- A Lua state for each thread, and nothing of the environment but what `env` lets through.
  it("lets calls block in worker threads, and serves others meanwhile", function()
    local place = host.place("nginx", "5.1", { { id = "a", secretType = "s3" } })
    place:write("blocking.lua", [[
      return {
        list = function()
          return #assert(require("bytenite.secrets").list())
        end,
      }
    ]])
    place:edit("nginx.conf", "daemon off;", [[%0
      thread_pool credentials threads=8;
      env BYTENITE_API_KEY_FILE;
      env BYTENITE_BASE_URL;]])
    place:edit("nginx.conf", "location /credentials", [[location = /thread {
      content_by_lua_block {
        ngx.say(select(2, ngx.run_worker_thread("credentials", "blocking", "list")))
      }
    }
    %0]])
    start(place)
    place.emulator:fail { op = "list", times = math.huge, delay = 2 }
    local answers = {}
    for number = 1, 8 do
      answers[number] = place:begin("GET", "/thread")
    end
    host.eventually(function()
      return #place.emulator:requests() >= 16 -- each state gets a token and lists
    end)
    local started = socket.gettime()
    assert.are.equal(404, (place:request("GET", "/nothing")))
    assert.is_true(socket.gettime() - started < 1.5)
    for _, answer in ipairs(answers) do
      assert.matches("\r\n\r\n1\n$", answer())
    end
    assert.are.equal(0, place:stop())
  end)
end)
