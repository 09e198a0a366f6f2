-- What the run of the specs itself prints (spec/support/report.lua).

local command = require "command"
local shell = require "shell"
local terminal = require "terminal"

local RUN = (os.getenv "LUA" or "lua") .. " $(command -v busted) --output=spec/support/report.lua "

local MIXED = [[
describe("a thing", function()
  it("works", function() end)
  it("works again", function() end)
  it("fails", function() assert.equal(1, 2) end)
  it("breaks", function() error "broken" end)
  it("has to wait", function() pending "for something" end)
end)
]]

describe("The report of the specs", function()
  after_each(command.clean_up)

  local function report_of(started, ...)
    local files = table.concat({ ... }, " ")
    return (shell(("TEST_STARTED=%s %s %s 2>&1; echo exit $?"):format(started, RUN, files)))
  end

  it("has a line for each file, and the counts alone on the last one", function()
    local first = command.file("first_spec.lua", MIXED)
    local second = command.file("second_spec.lua", 'it("works", function() end)')
    local output = report_of("", first, second)
    assert.truthy(output:find("^" .. first .. " +2 passed, 2 failed, 1 pending +%d+%.%d s\n"
      .. second .. " +1 passed +%d+%.%d s\n\n"), output)
    assert.matches("\n2 files in %d+%.%d s\n3 passed, 2 failed\nexit 1\n$", output)
  end)

  it("shows each failure in full", function()
    local path = command.file("first_spec.lua", MIXED)
    local output = report_of("", path)
    for _, text in ipairs {
      "\nFailure -> PATH @ 4\na thing fails\nPATH:4: Expected objects to be equal.\n",
      "\nError -> PATH @ 5\na thing breaks\nPATH:5: broken\n",
      "\nPending -> PATH @ 6\na thing has to wait\nPATH:6: for something\n",
    } do
      assert.truthy(output:find(text:gsub("PATH", path), 1, true), output)
    end
  end)

  it("counts a file that does not parse, or raises, as failed", function()
    local first = command.file("first_spec.lua", "it = = nil")
    local second = command.file("second_spec.lua", 'error "at once"')
    local output = report_of("", first, second)
    assert.truthy(output:find("^" .. first .. " +does not parse\n" .. second
      .. " +0 passed, 1 failed +%d+%.%d s\n"), output)
    assert.truthy(output:find("at once", 1, true))
    assert.matches("\n0 passed, 2 failed\nexit 1\n$", output)
  end)

  it("says how long `make test` took in all", function()
    local path = command.file("first_spec.lua", 'it("works", function() end)')
    local output = report_of("$(($(date +%s) - 1000))", path)
    assert.matches("\n1 file in %d+%.%d s; 1%d%d%d s in all\n1 passed, 0 failed\nexit 0\n$", output)
  end)

  it("counts up on a terminal, and writes whole lines alone into a pipe", function()
    local path = command.file("first_spec.lua", 'it("works", function() end)\n'
      .. 'it("works too", function() end)')
    assert.is_nil(report_of("", path):find("\r", 1, true))
    local status, screen =
      terminal.start("env", "-u", "LD_PRELOAD", "sh", "-c", RUN .. path):finish()
    assert.equal(0, status)
    local line = path .. " +%d passed +%d+%.%d s\r"
    assert.truthy(screen:find(line .. line .. line .. "\n"), screen)
  end)
end)
