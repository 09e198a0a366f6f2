-- What comes before a call: the start of a process, and a new TLS connection. The certificates of
-- the system are searched as each side does by default, libcurl's default on Debian being a bundle
-- and a directory together.

local measure = require "measure"

local starts = {}

local CONNECTIONS = 20

local function start(server, contestant, scheme)
  return {
    contestant = contestant,
    job = "list",
    url = server[scheme],
    ca = scheme == "https" and server.system_ca or nil,
    warmup = 1,
    count = 0,
  }
end

local function connections(server, contestant)
  return {
    contestant = contestant,
    job = "list",
    url = server.https .. "/close",
    ca = server.system_ca,
    warmup = 1,
    count = CONNECTIONS,
  }
end

---@return string name among the samples: CPU seconds of a process that makes one call
function starts.key(scheme, contestant)
  return ("start %s %s"):format(scheme, contestant)
end

---@return string name among the samples: CPU seconds per connection after the first
function starts.connection_key(contestant)
  return "connection " .. contestant
end

function starts.round(server, samples)
  for _, contestant in ipairs { "easy", "bytenite" } do
    for _, scheme in ipairs { "http", "https" } do
      samples:add(starts.key(scheme, contestant),
        measure.process(start(server, contestant, scheme)).cpu)
    end
    samples:add(starts.connection_key(contestant),
      (measure.time(connections(server, contestant))))
  end
end

return starts
