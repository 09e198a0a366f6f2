-- bytenite-secrets version

local cjson = require "cjson"
local command = require "command"
local secrets = require "bytenite.secrets"

describe("version", function()
  after_each(command.clean_up)

  it("names this program and what it is made of", function()
    local result = command.run { "version" }
    local info = secrets.info()
    assert.are.same({ status = 0, stderr = "", stdout = ("bytenite-secrets %s (%s, libcurl %s, %s, "
      .. "lua-cjson %s)\n"):format(info.version, info.lua, info.libcurl, info.tls, info.cjson) },
      result)
  end)

  it("writes JSON", function()
    local result = command.run { "version", "--json" }
    local info = secrets.info()
    assert.are.same({
      version = info.version, lua = info.lua, libcurl = info.libcurl, tls = info.tls,
      cjson = info.cjson,
    }, cjson.decode(result.stdout))
  end)
end)
