-- Other builds of lua-cjson than Debian's 2.1.0: OpenResty's gives integers where Lua has them, and
-- has metatables of its own for arrays. Played by a module in front of the real one.

local child = require "child"

local PLAYED = [[
  local real = require "cjson"
  local function to_integers(value)
    if type(value) == "number" and math.tointeger then return math.tointeger(value) or value end
    if type(value) == "table" then
      for name, inner in pairs(value) do value[name] = to_integers(inner) end
    end
    return value
  end
  package.loaded.cjson = {
    _VERSION = "2.1.0.17", null = real.null, array_mt = {}, empty_array_mt = {},
    new = function()
      local instance = real.new()
      local decode = instance.decode
      instance.decode = function(text) return to_integers(decode(text)) end
      return instance
    end,
  }
  local emulator = require("bytenite.secrets.emulator").start()
  local secrets = require "bytenite.secrets"
  local client = assert(secrets.new {
    base_url = emulator.url, api_key = emulator.api_key, ignore_env = true, retries = 0,
  })
  local params = { a = setmetatable({}, secrets.array_mt), big = 12345678901234567, n = 5, x = 0.5 }
  assert(client:put({ id = "a", secretType = "s3", params = params }, "key"))
  local found = assert(client:list())[1].params
  print(getmetatable(found.a) == secrets.array_mt, #found.a, found.big == params.big, found.n == 5,
    found.x)
  assert(client:rotate("s3", "a", "new"))
  local requests = emulator:requests()
  print(#requests[2].body - 3, #requests[#requests].body - 3)
  emulator:fail { op = "put", status = 200, body = '{"ok":false,"error":{"code":"403"}}' }
  local _, err = client:put({ id = "a", secretType = "s3" }, "key")
  print(err.kind, err.code, secrets.info().cjson)
  client:close()
  emulator:stop()
]]

describe("another build of lua-cjson", function()
  it("makes no difference", function()
    local status, output = child.run(PLAYED)
    assert.equal(0, status, output)
    local lines = {}
    for line in output:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.equal("true\t0\ttrue\ttrue\t0.5", lines[1])
    local put, rotated = lines[2]:match "^(%d+)\t(%d+)$"
    assert.equal(put, rotated) -- the same body, with a key of the same length
    assert.equal("forbidden\t403\t2.1.0.17", lines[3])
  end)
end)
