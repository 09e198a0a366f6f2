local host = require "host"
local page = require "credentials_page"

local ABI = host.lua_of "ldd /usr/lib/apache2/modules/mod_lua.so"
local COMMAND = { "apache2", "-d", ".", "-f", "httpd.conf", "-DFOREGROUND" }
local SIGUSR1 = 10

page.describe { name = "Apache, processes", folder = "apache", abi = ABI, command = COMMAND }

page.describe {
  name = "Apache, threads",
  folder = "apache",
  abi = ABI,
  command = COMMAND,
  prepare = function(place)
    place:edit("httpd.conf", "prefork", "event")
  end,
}

describe("Apache", function()
  after_each(host.clean_up)

  it("lets a call end when it restarts gracefully, and goes on", function()
    local place = host.place("apache", ABI)
    place:start((table.unpack or unpack)(COMMAND))
    assert.are.equal(200, (place:request("PUT", "/credentials/s3/a", "key")))
    local answer = page.start_slow_list(place, 1)
    require("process").kill(place.pid, SIGUSR1)
    assert.matches("\r\n\r\ns3/a\n$", answer())
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.matches("Graceful restart requested", place:log())
    assert.are.equal(0, place:stop())
  end)
end)
