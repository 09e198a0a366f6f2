local host = require "host"
local page = require "credentials_page"

local COMMAND = { "lighttpd", "-D", "-f", "lighttpd.conf" }
local SIGINT, SIGUSR1 = 2, 10

page.describe {
  name = "lighttpd",
  folder = "lighttpd",
  abi = "5.4",
  command = COMMAND,
  signal = SIGINT, -- SIGTERM does not wait for connections
  blocks = true,
}

describe("lighttpd", function()
  after_each(host.clean_up)

  it("lets a call end when it restarts gracefully, and goes on with a new Lua state", function()
    local place = host.place("lighttpd", "5.4")
    place.signal = SIGINT
    place:start((table.unpack or unpack)(COMMAND))
    assert.are.equal(200, (place:request("PUT", "/credentials/s3/a", "key")))
    local answer = page.start_slow_list(place, 0.5)
    require("process").kill(place.pid, SIGUSR1)
    assert.matches("s3/a\n", answer())
    host.eventually(function()
      return select(2, place:log():gsub("server started", "")) == 2
    end)
    assert.are.same({ 200, "s3/a\n" }, { place:request("GET", "/credentials") })
    assert.are.equal(0, place:stop())
  end)
end)
