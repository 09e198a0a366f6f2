-- What README.md shows is run as it stands.

local compile = require "compile"
local lfs = require "lfs"
local process = require "process"
local read = require "read"

local HAS_LOOPS = _VERSION ~= "Lua 5.1" or rawget(_G, "jit")

local function lua_blocks()
  local blocks = {}
  for code in read("README.md"):gmatch("```lua\n(.-)```") do
    blocks[#blocks + 1] = code
  end
  return blocks
end

-- Runs a block of the README; what it prints is returned.
local function run(code)
  local printed = {}
  local environment = setmetatable({
    print = function(...)
      local words = {}
      for position = 1, select("#", ...) do
        words[position] = tostring((select(position, ...)))
      end
      printed[#printed + 1] = table.concat(words, "\t")
    end,
  }, { __index = _G })
  assert(compile(code, "=README.md", environment))()
  return printed
end

describe("README.md", function()
  local emulator

  before_each(function()
    emulator = assert(require("bytenite.secrets.emulator").start())
    process.setenv("BYTENITE_API_KEY", emulator.api_key)
    process.setenv("BYTENITE_BASE_URL", emulator.url)
    process.setenv("S3_SECRET_KEY", "wJalrXUtnFEMI")
  end)

  after_each(function()
    emulator:stop()
    for _, name in ipairs { "BYTENITE_API_KEY", "BYTENITE_BASE_URL", "S3_SECRET_KEY" } do
      process.setenv(name)
    end
  end)

  it("has an example of at most 15 lines that stores and lists a credential", function()
    local example = lua_blocks()[1]
    local lines = select(2, example:gsub("\n[^\n]", "")) + 1
    assert.is_true(lines <= 16)
    local printed = run(example)
    assert.equal(1, #printed)
    assert.matches("^s3\ts3%-secret\t77%d%d%d%d%d", printed[1])
    assert.equal("wJalrXUtnFEMI", emulator:secrets()[1].secretKey)
  end)

  it("shows how many secrets are put at once", function()
    assert.same({ "100\t0" }, run(lua_blocks()[2]))
    assert.equal(100, #emulator:secrets())
  end)

  it("shows a plan that is printed and applied", function()
    local client = assert(require("bytenite.secrets").new())
    local stored = { id = "input", secretType = "s3", accessKey = "AKIAIOSFODNN7EXAMPLE",
      params = { region = "us-east-1" } }
    assert(client:put(stored, "before"))
    assert(client:put({ id = "old_input", secretType = "s3" }, "before"))
    client:close()
    local printed = run(lua_blocks()[3])
    assert.same({ "put s3/input\tdone", "delete s3/old_input\tdone" }, { printed[2], printed[3] })
    local shown = printed[1]:gsub("[^\n]+", "    %0")
    assert.truthy(read("README.md"):find("\n" .. shown .. "\n", 1, true))
    assert.equal("wJalrXUtnFEMI", emulator:secrets()[1].secretKey)
  end)

  it("shows calls within a loop of cqueues", function()
    if not HAS_LOOPS then return pending "this Lua has no option wait" end
    local printed = run(lua_blocks()[4])
    assert.equal(3, #printed)
    assert.equal(3, #emulator:secrets())
  end)

  it("shows a wait function of one's own", function()
    if not HAS_LOOPS then return pending "this Lua has no option wait" end
    assert.same({ "0" }, run(lua_blocks()[5]))
  end)

  it("shows a test with the emulator", function()
    assert.same({ "3\tkey" }, run(lua_blocks()[6]))
  end)

  it("names each recipe of a host, and no other", function()
    local folders, links = {}, {}
    for name in lfs.dir "spec/hosts" do
      if name:sub(1, 1) ~= "." then folders[#folders + 1] = name end
    end
    for name in read("README.md"):gmatch("%]%(spec/hosts/([^)]+)%)") do
      links[#links + 1] = name
    end
    table.sort(folders)
    table.sort(links)
    assert.same(folders, links)
  end)

  it("has no further code that nobody runs", function()
    assert.equal(6, #lua_blocks())
  end)
end)
