local host = require "host"
local page = require "credentials_page"

local ABI = host.lua_of "haproxy -vv"
local COMMAND = { "haproxy", "-db", "-f", "haproxy.cfg" }
local SIGUSR1, SIGUSR2, SIGTERM = 10, 12, 15

page.describe {
  name = "HAProxy",
  folder = "haproxy",
  abi = ABI,
  command = COMMAND,
  statuses = { [-SIGTERM] = true }, -- as without any Lua
}

page.describe {
  name = "HAProxy, a worker process, and a Lua state for each thread",
  folder = "haproxy",
  abi = ABI,
  command = { "haproxy", "-W", "-f", "haproxy.cfg" },
  statuses = { [0] = true, [-SIGTERM] = true }, -- at its start it has no handler yet
  prepare = function(place)
    place:edit("haproxy.cfg", "lua%-load", "lua-load-per-thread")
  end,
}

describe("HAProxy", function()
  after_each(host.clean_up)

  it("warns of what expires, from a task", function()
    local place = host.place("haproxy", ABI, {
      { id = "soon", secretType = "s3", expiresAt = "2020-01-01T00:00:00Z" },
      { id = "never", secretType = "s3" },
    })
    place:start((table.unpack or unpack)(COMMAND))
    host.eventually(function()
      return place:log():find "s3/soon expires at 2020%-01%-01T00:00:00Z"
    end)
  end)

  it("says at its start that a key is refused, and starts", function()
    local place = host.place("haproxy", ABI)
    place:write("api_key", "not-this-one")
    place:start((table.unpack or unpack)(COMMAND))
    host.eventually(function()
      return place:log():find "bytenite%.secrets: authenticate: .*%(HTTP 401%)"
    end)
    assert.are.equal(502, (place:request("GET", "/credentials")))
    place:assert_no_secret("not-this-one")
  end)

  it("reads the key as root, and calls as another user in a chroot", function()
    local place = host.place("haproxy", ABI)
    if not place.is_root then return pending "it needs root" end
    place:edit("haproxy.cfg", "global\n", "%0  user nobody\n  chroot .\n")
    place:keep_for_root "api_key"
    place:start((table.unpack or unpack)(COMMAND))
    assert.are.same({ 200, "" }, { place:request("PUT", "/credentials/s3/a", "key") })
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.are.equal(-SIGTERM, place:stop())
  end)

  -- With several threads HAProxy 2.6 itself does not always notice that all has ended.
  it("lets a call end when it stops gracefully", function()
    local place = host.place("haproxy", ABI)
    place:edit("haproxy.cfg", "global\n", "%0  nbthread 1\n")
    place:start((table.unpack or unpack)(COMMAND))
    local answer = page.start_slow_list(place, 1)
    place.signal = SIGUSR1
    assert.are.equal(0, place:stop())
    assert.matches("^HTTP/1%.%d 200", answer())
  end)

  it("lets a call end when it reloads its configuration, and goes on", function()
    local place = host.place("haproxy", ABI)
    place:start("haproxy", "-W", "-f", "haproxy.cfg")
    assert.are.equal(200, (place:request("PUT", "/credentials/s3/a", "key")))
    local answer = page.start_slow_list(place, 1)
    require("process").kill(place.pid, SIGUSR2)
    assert.matches("s3/a\n", answer())
    host.eventually(function()
      return select(2, place:log():gsub("Loading success", "")) == 2
    end)
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.are.equal(0, place:stop())
    assert.matches("Former worker %(%d+%) exited with code 0", place:log())
  end)

  it("goes on after a call from a sample fetch, where HAProxy lets nothing wait", function()
    local place = host.place("haproxy", ABI)
    place:edit("credentials.lua", "core.register_task", [[
      core.register_fetches("count", function()
        return tostring(#client:list())
      end)
      %0]])
    place:edit("haproxy.cfg", "return status 404",
      "return status 200 content-type text/plain lf-string <%%[lua.count]>")
    place.emulator:fail { op = "list", times = math.huge, delay = 0.1 } -- so that it does wait
    place:start((table.unpack or unpack)(COMMAND))
    assert.are.same({ 200, "<>" }, { place:request("GET", "/") })
    assert.matches("yield not allowed", place:log())
    assert.are.same({ 200, "" }, { place:request("PUT", "/credentials/s3/a", "key") })
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.are.equal(-SIGTERM, place:stop())
  end)
end)
