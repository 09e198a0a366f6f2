local host = require "host"
local shell = require "shell"

local KEY = "mark3d-key-of-a-program"
local SIGTERM = 15

describe("A program in C", function()
  local place

  before_each(function()
    place = host.place("c", "5.4")
    place:write("key", KEY)
    local _, works = shell(("cd '%s' && cc -Wall -Wextra -Wpedantic -Werror program.c "
      .. "$(pkg-config --cflags --libs lua5.4) -pthread -o program"):format(place.directory))
    assert.is_truthy(works)
  end)

  after_each(host.clean_up)

  it("stores, lists and removes, in each of its threads", function()
    assert.are.equal(0, place:run("./program", "8"), place:log())
    local log = place:log()
    for number = 1, 8 do
      assert.matches("s3/of%-thread%-" .. number .. "\n", log)
    end
    assert.matches("0 of 8 failed\n$", log)
    assert.are.same({}, place.emulator:secrets())
    place:assert_no_secret(KEY)
  end)

  it("survives broken connections, without a handler of SIGPIPE", function()
    place.emulator:fail { op = "put", times = 4, drop = "midway" }
    place.emulator:fail { op = "list", times = 4, drop = "before" }
    place.emulator:fail { op = "delete", times = math.huge, drop = "after" }
    assert.are.equal(1, place:run("./program", "4"), place:log())
    assert.matches("4 of 4 failed\n$", place:log())
  end)

  it("shows an error that can be understood", function()
    place.emulator:stop()
    assert.are.equal(1, place:run("./program", "2"))
    assert.matches("thread 1: bytenite%.secrets: put s3/of%-thread%-1: .*no answer from the "
      .. "service", place:log())
    assert.is_nil(place:log():find(KEY, 1, true))
  end)

  it("can be ended while its threads wait", function()
    place.emulator:fail { op = "list", times = math.huge, delay = 10 }
    place:launch("./program", "4")
    host.eventually(function()
      return #place.emulator:requests() == 12 -- each got a token, stored and lists
    end)
    assert.are.equal(-SIGTERM, place:stop())
  end)
end)
