-- What stays in memory: the growth from call 1,000 to call 100,000, of all three operations.

local measure = require "measure"

local growth = {}

growth.RESIDENT, growth.HEAP = "growth resident", "growth heap"

local EACH = 3 -- operations of one turn

---@return number resident KiB in memory
---@return number heap KiB of Lua's heap
function growth.measure(server)
  return measure.numbers {
    contestant = "bytenite",
    job = "growth",
    url = server.http,
    warmup = 1000 // EACH,
    count = 99000 // EACH,
  }
end

function growth.round(server, samples)
  local resident, heap = growth.measure(server)
  samples:add(growth.RESIDENT, resident)
  samples:add(growth.HEAP, heap)
end

return growth
