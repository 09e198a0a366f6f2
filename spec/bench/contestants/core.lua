-- This module without its policy layer: no retries, no arguments checked for people.

local core = require "bytenite.secrets.core"
local values = require "contestants.values"

return function(url, ca)
  local client = assert(core.client {
    base_url = url,
    ca_file = ca,
    connect_timeout = 5,
    user_agent = "bytenite-secrets-lua/" .. core.version,
    max_response_bytes = 32 * 1024 * 1024,
  })
  assert(client:authorize(values.token))
  local secret, key = values.secret, values.secretKey

  local operations = {}

  function operations.list()
    assert(client:list(nil, 15))
  end

  function operations.put()
    assert(client:put(secret, key, 15))
  end

  function operations.delete()
    assert(client:delete("s3", "s3-secret", 15))
  end

  return operations
end
