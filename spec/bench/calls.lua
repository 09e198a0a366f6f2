-- One call after the other: the CPU that each contestant takes for it.

local measure = require "measure"

local calls = {}

calls.OPERATIONS = { "list", "put", "delete" }
calls.SCHEMES = { "http", "https" }

-- In the order of the tables; `count` calls a round, or `tls` over HTTPS.
calls.CONTESTANTS = {
  { name = "floor", label = "bare socket", count = 4000 },
  { name = "multi", label = "C, curl_multi", count = 3000 },
  { name = "easy", label = "C, curl_easy_perform", count = 3000 },
  { name = "core", label = "bytenite.secrets.core", count = 2000 },
  { name = "bytenite", label = "bytenite.secrets", count = 2000 },
  { name = "unscrubbed", label = "bytenite.secrets, not scrubbed", count = 2000 },
  { name = "socket_by_hand", label = "luasocket, HTTP by hand", count = 3000 },
  { name = "lua_curl", label = "Lua-cURL", count = 2000, needs = "cURL" },
  { name = "request", label = "luasocket http.request", count = 300, tls = 8 },
  { name = "python_requests", label = "Python requests", count = 100, full = true },
  { name = "node_fetch", label = "Node fetch", count = 200, full = true },
  { name = "popen", label = "io.popen, curl", count = 8 },
}

---@param full boolean
---@return table[] those of CONTESTANTS that can be run here
function calls.present(full)
  local present = {}
  for _, contestant in ipairs(calls.CONTESTANTS) do
    local there = not contestant.needs or pcall(require, contestant.needs)
    if there and (full or not contestant.full) then present[#present + 1] = contestant end
  end
  return present
end

-- Where the scrubbing allocator does nothing for the speed of others, only puts are told apart.
local function takes_part(contestant, operation)
  return contestant.name ~= "unscrubbed" or operation == "put"
end

---@return string name among the samples: CPU seconds per call
function calls.key(scheme, operation, contestant)
  return ("%s %s %s"):format(scheme, operation, contestant)
end

local function subject(server, scheme, operation, contestant)
  local count = scheme == "https" and contestant.tls or contestant.count
  local unscrubbed = contestant.name == "unscrubbed"
  return {
    contestant = unscrubbed and "bytenite" or contestant.name,
    scrub = not unscrubbed,
    job = operation,
    url = server[scheme],
    ca = scheme == "https" and server.ca or nil,
    warmup = math.ceil(count / 10),
    count = count,
  }
end

---One round of all operations and contestants.
function calls.round(server, samples, present)
  for _, scheme in ipairs(calls.SCHEMES) do
    for _, operation in ipairs(calls.OPERATIONS) do
      for _, contestant in ipairs(present) do
        if takes_part(contestant, operation) then
          samples:add(calls.key(scheme, operation, contestant.name),
            (measure.time(subject(server, scheme, operation, contestant))))
        end
      end
    end
  end
end

return calls
