-- The curl command through io.popen: a process for each call. Its token is seen by all users.

local cjson = require "cjson"
local meter = require "meter"
local values = require "contestants.values"

return function(url, ca)
  local command = ("curl -sSf -H 'Authorization: %s' -H 'Accept: application/json'"):format(
    values.token)
  if ca then command = command .. " --cacert " .. ca end

  local function call(path, options)
    local pipe = io.popen(("%s %s %s/v1/auth/secrets%s"):format(command, options, url, path))
    local answer = cjson.decode(pipe:read("a"))
    assert(pipe:close())
    return answer
  end

  local operations = { cpu = meter.cpu }

  function operations.list()
    assert(call("", "").secrets)
  end

  function operations.put()
    local body = cjson.encode { secret = values.secret, secretKey = values.secretKey }
    assert(call("", "-H 'Content-Type: application/json' -d '" .. body .. "'").ok)
  end

  function operations.delete()
    assert(call("/s3/s3-secret", "-X DELETE").ok)
  end

  return operations
end
