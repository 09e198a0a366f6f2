local host = require "host"
local page = require "credentials_page"

local COMMAND = { "prosody", "-F", "--config", "./prosody.cfg.lua" }

-- The loops that Prosody 0.12 can run in.
for _, backend in ipairs { "epoll", "event", "select" } do
  local function choose(place)
    place:edit("prosody.cfg.lua", "^", ("network_backend = %q\n"):format(backend))
  end

  page.describe {
    name = "Prosody, " .. backend,
    folder = "prosody",
    abi = "5.4",
    command = COMMAND,
    prepare = choose,
  }

  describe("Prosody, " .. backend, function()
    after_each(host.clean_up)

    it("runs in that loop, and goes on when the module is reloaded while a call waits", function()
      local place = host.place("prosody", "5.4")
      choose(place)
      place:edit("prosody.cfg.lua", '"credentials"', '%0, "reload"')
      place:write("mod_reload.lua", [[
        module:depends "http"
        module:provides("http", {
          route = {
            GET = function()
              local manager = require "core.modulemanager"
              return assert(manager.reload(module.host, "credentials")) and "done"
            end,
          },
        })
      ]])
      place:start((table.unpack or unpack)(COMMAND))
      local answer = page.start_slow_list(place, 3)
      assert.are.same({ 200, "done" }, { place:request("GET", "/reload") })
      assert.matches("HTTP/1%.%d 502", answer())
      assert.are.same({ 200, "" }, { place:request("GET", "/credentials") })
      assert.are.equal(0, place:stop())
      local log = place:log()
      local name = backend == "event" and "libevent" or backend
      assert.matches("Prosody is using the " .. name .. "[%w ]* backend", log)
      assert.matches("bytenite%.secrets: list: interrupted before the answer came", log)
    end)
  end)
end
