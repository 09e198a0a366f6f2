local host = require "host"
local secrets = require "bytenite.secrets"

local ABI = host.lua_of "echo 'io.stderr:write(_VERSION)' | pandoc -L /dev/stdin /dev/null"
local KEY = "mark3d-key-of-pandoc"

describe("pandoc", function()
  local place

  before_each(function()
    place = host.place("pandoc", ABI, {
      { id = "soon", secretType = "s3", expiresAt = secrets.timestamp(os.time() + 86400) },
      { id = "later", secretType = "s3", expiresAt = secrets.timestamp(os.time() + 99 * 86400) },
    })
  end)

  after_each(host.clean_up)

  local function run(filter)
    return place:run("pandoc", "--lua-filter", filter, "--to", "plain", "report.md")
  end

  it("lists what expires", function()
    assert.are.equal(0, run "credentials.lua")
    local day = secrets.timestamp(os.time() + 86400):sub(1, 10)
    assert.are.equal(("Credentials to be renewed\n\n-   s3/soon expires on %s\n"):format(day),
      place:log())
  end)

  -- pandoc's runtime interrupts system calls with signals of its own.
  it("waits for a slow service", function()
    place.emulator:fail { op = "list", delay = 2 }
    assert.are.equal(0, run "credentials.lua")
    assert.matches("s3/soon", place:log())
  end)

  it("ends with an error that can be understood", function()
    place:write("api_key", "not-this-one")
    assert.are_not.equal(0, run "credentials.lua")
    assert.matches("bytenite%.secrets: list: .*%(HTTP 401%).*check the API key", place:log())
    place:assert_no_secret("not-this-one")
  end)

  it("stores and removes", function()
    place:write("key", KEY)
    place:write("round_trip.lua", [[
      local secrets = require "bytenite.secrets"
      function Pandoc()
        local key = assert(secrets.from_file("key"))
        assert(secrets.put({ id = "new", secretType = "s3" }, key))
        assert(secrets.delete("s3", "soon"))
        local ids = {}
        for _, secret in ipairs(assert(secrets.list())) do ids[#ids + 1] = secret.id end
        return pandoc.Pandoc { pandoc.Para(pandoc.Str(table.concat(ids, " "))) }
      end
    ]])
    assert.are.equal(0, run "round_trip.lua")
    assert.are.equal("later new\n", place:log())
    assert.are.equal(KEY, place.emulator:secrets()[2].secretKey)
    place:assert_no_secret(KEY)
  end)

  it("can be interrupted in a call", function()
    place.emulator:fail { op = "list", delay = 10 }
    place:launch("pandoc", "--lua-filter", "credentials.lua", "--to", "plain", "report.md")
    host.eventually(function()
      return #place.emulator:requests() == 2
    end)
    assert.are.equal(-15, place:stop())
  end)
end)
