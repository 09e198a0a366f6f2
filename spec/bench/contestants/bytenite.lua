-- This module, as scripts use it.

local secrets = require "bytenite.secrets"
local values = require "contestants.values"

return function(url, ca)
  local file, directory = (ca or ""):match("^([^:]*):?(.*)$")
  local client = assert(secrets.new {
    base_url = url,
    ca_file = file ~= "" and directory == "" and file or nil,
    ca_path = directory ~= "" and directory or nil,
    access_token = values.token,
    ignore_env = true,
  })
  local secret, key = values.secret, values.secretKey

  local operations = {}

  function operations.list()
    assert(client:list())
  end

  function operations.put()
    assert(client:put(secret, key))
  end

  function operations.delete()
    assert(client:delete("s3", "s3-secret"))
  end

  function operations.put_all(count, concurrency)
    local items = {}
    for position = 1, count do
      items[position] = { secret = secret, secretKey = key }
    end
    local report = assert(client:put_all(items, { concurrency = concurrency, deadline = 600 }))
    assert(report.ok)
  end

  return operations
end
