-- Long listings: `list` over HTTP, and cjson.decode alone on the same text in memory.

local measure = require "measure"

local listings = {}

listings.RECORDS = { 10000, 100000 }

local CALLS = { [10000] = 8, [100000] = 2 }
local SIDES = { "cjson", "bytenite" }

local function subject(server, side, records, warmup, count)
  return {
    contestant = side,
    job = count > 0 and "apart" or "list",
    url = side == "cjson" and server.listing(records) or server.http .. "/" .. records,
    warmup = warmup,
    count = count,
  }
end

---@return string name among the samples: CPU seconds per call
function listings.key(records, side)
  return ("listing %d %s"):format(records, side)
end

---@return string name among the samples: KiB in memory of a process that makes one call
function listings.peak_key(records, side)
  return ("peak %d %s"):format(records, side)
end

function listings.round(server, samples)
  for _, records in ipairs(listings.RECORDS) do
    for _, side in ipairs(SIDES) do
      samples:add(listings.key(records, side),
        (measure.time(subject(server, side, records, 1, CALLS[records]))))
      samples:add(listings.peak_key(records, side),
        measure.process(subject(server, side, records, 1, 0)).peak)
    end
  end
end

return listings
