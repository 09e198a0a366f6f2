-- What repeats on any machine with the same libraries: instructions and system calls of a call over
-- HTTP on a connection that is there.

local measure = require "measure"

local counts = {}

-- contestant, operation, what is measured
counts.INSTRUCTIONS = {
  { "easy", "delete" }, { "core", "delete" }, { "bytenite", "delete" },
  { "easy", "put" }, { "bytenite", "put" }, { "unscrubbed", "put" },
}

counts.SYSTEM_CALLS = { { "easy", "delete" }, { "bytenite", "delete" }, { "bytenite", "put" } }

local function subject(server, contestant, operation)
  return {
    contestant = contestant == "unscrubbed" and "bytenite" or contestant,
    scrub = contestant ~= "unscrubbed",
    job = operation,
    url = server.http,
  }
end

---@param measured "instructions"|"system_calls"
---@return string name among the samples
function counts.key(measured, contestant, operation)
  return ("%s %s %s"):format(measured, operation, contestant)
end

function counts.round(server, samples)
  for measured, list in pairs { instructions = counts.INSTRUCTIONS,
    system_calls = counts.SYSTEM_CALLS } do
    for _, pair in ipairs(list) do
      samples:add(counts.key(measured, table.unpack(pair)),
        measure[measured](subject(server, table.unpack(pair))))
    end
  end
end

return counts
