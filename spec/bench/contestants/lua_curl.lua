-- Lua-cURL, with a handle for each operation.

local cjson = require "cjson"
local cURL = require "cURL"
local values = require "contestants.values"

return function(url, ca)
  local pieces = {}

  local function handle(method, path)
    local headers = { "Authorization: " .. values.token, "Accept: application/json" }
    if method == "POST" then headers[#headers + 1] = "Content-Type: application/json" end
    return cURL.easy {
      url = url .. "/v1/auth/secrets" .. path,
      customrequest = method ~= "GET" and method or nil,
      httpheader = headers,
      cainfo = ca,
      writefunction = function(piece)
        pieces[#pieces + 1] = piece
      end,
    }
  end

  local function perform(easy)
    pieces = {}
    easy:perform()
    assert(easy:getinfo(cURL.INFO_RESPONSE_CODE) == 200)
    return cjson.decode(table.concat(pieces))
  end

  local list, put, delete = handle("GET", ""), handle("POST", ""), handle("DELETE", "/s3/s3-secret")
  local operations = {}

  function operations.list()
    assert(perform(list).secrets)
  end

  function operations.put()
    put:setopt_postfields(cjson.encode { secret = values.secret, secretKey = values.secretKey })
    assert(perform(put).ok)
  end

  function operations.delete()
    assert(perform(delete).ok)
  end

  return operations
end
