-- No HTTP at all: lua-cjson decodes a listing that is in memory. The URL is the file it is in.

local cjson = require "cjson"

return function(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return {
    list = function()
      assert(cjson.decode(text).secrets)
    end,
  }
end
