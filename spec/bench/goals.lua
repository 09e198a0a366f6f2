-- The goals, row by row, and how far the samples meet them.

local batches = require "batches"
local calls = require "calls"
local counts = require "counts"
local growth = require "growth"
local listings = require "listings"
local starts = require "starts"

local SCHEME = { http = "HTTP", https = "HTTPS" }

local goals = {}

-- One line of the table: `value` is { min, median, max } or nil when it was not measured.
local function add(lines, row, what, value, goal, moonshot)
  local verdict
  if not value then
    verdict = "not measured"
  elseif not goal then
    verdict = "for comparison"
  else
    verdict = value.median <= goal and "pass" or "short"
  end
  lines[#lines + 1] = { row = row, what = what, measured = value, goal = goal,
    moonshot = moonshot, verdict = verdict }
end

local function add_calls(lines, samples)
  local function ratio(scheme, operation, contestant, other)
    return samples:ratio(calls.key(scheme, operation, contestant),
      calls.key(scheme, operation, other))
  end
  for _, operation in ipairs { "list", "delete" } do
    for _, scheme in ipairs(calls.SCHEMES) do
      add(lines, 1, ("%s, %s: CPU / C curl_easy_perform"):format(operation, SCHEME[scheme]),
        ratio(scheme, operation, "bytenite", "easy"), 1.00, 0.92)
    end
  end
  for _, scheme in ipairs(calls.SCHEMES) do
    add(lines, 2, ("put, %s: CPU / C curl_easy_perform"):format(SCHEME[scheme]),
      ratio(scheme, "put", "bytenite", "easy"), 1.40, 1.15)
    add(lines, 2, ("put, %s, not scrubbed"):format(SCHEME[scheme]),
      ratio(scheme, "put", "unscrubbed", "easy"))
  end
  for _, operation in ipairs { "list", "delete", "put" } do
    for _, scheme in ipairs(calls.SCHEMES) do
      local put = operation == "put"
      add(lines, 3, ("%s, %s: CPU / Lua-cURL and cjson"):format(operation, SCHEME[scheme]),
        ratio(scheme, operation, "bytenite", "lua_curl"), put and 1.00 or 0.80,
        put and 0.85 or 0.70)
    end
  end
end

local function add_counts(lines, samples)
  local function key(measured, contestant, operation)
    return counts.key(measured, contestant, operation)
  end
  add(lines, 4, "delete: instructions / C curl_easy_perform",
    samples:ratio(key("instructions", "bytenite", "delete"),
      key("instructions", "easy", "delete")), 1.10, 1.00)
  add(lines, 4, "put: instructions / C curl_easy_perform",
    samples:ratio(key("instructions", "bytenite", "put"), key("instructions", "easy", "put")))
  add(lines, 4, "put, not scrubbed: the same",
    samples:ratio(key("instructions", "unscrubbed", "put"), key("instructions", "easy", "put")))
  for _, operation in ipairs { "delete", "put" } do
    add(lines, 4, operation .. ": system calls",
      samples:summary(key("system_calls", "bytenite", operation)), 6, 5)
  end
end

-- The part of a call that is not the core's.
local function policy_share(samples)
  local core = samples:ratio(calls.key("http", "delete", "core"),
    calls.key("http", "delete", "bytenite"))
  return core and { min = 1 - core.max, median = 1 - core.median, max = 1 - core.min }
end

local function add_starts(lines, samples)
  add(lines, 6, "start and one list, HTTP: CPU / C",
    samples:ratio(starts.key("http", "bytenite"), starts.key("http", "easy")), 1.25, 1.12)
  add(lines, 6, "start and one list, HTTPS, system's CAs: CPU / C",
    samples:ratio(starts.key("https", "bytenite"), starts.key("https", "easy")), 0.60, 0.45)
  add(lines, 7, "further TLS connection, system's CAs: CPU / C",
    samples:ratio(starts.connection_key("bytenite"), starts.connection_key("easy")), 0.10, 0.04)
end

local function add_listings(lines, samples)
  local limits = { [10000] = { 1.25, 1.10 }, [100000] = { 1.12, 1.05 } }
  for _, records in ipairs(listings.RECORDS) do
    add(lines, 8, ("list of %d: CPU / cjson.decode"):format(records),
      samples:ratio(listings.key(records, "bytenite"), listings.key(records, "cjson")),
      table.unpack(limits[records]))
  end
  add(lines, 8, "list of 100000: peak memory / cjson.decode",
    samples:ratio(listings.peak_key(100000, "bytenite"), listings.peak_key(100000, "cjson")), 1.10)
end

local function add_batch(lines, samples, scheme, load, concurrency)
  local what = ("%d puts of %d ms, %d at once, %s"):format(load.puts, load.delay, concurrency,
    SCHEME[scheme])
  local function key(kind, side)
    return batches.key(kind, scheme, load.delay, concurrency, side)
  end
  add(lines, 9, what .. ": time / shortest possible",
    samples:summary(key("efficiency", "bytenite")), 1.06, 1.04)
  add(lines, 9, what .. ": CPU / C curl_multi",
    samples:ratio(key("cpu", "bytenite"), key("cpu", "multi")), 1.35, 1.15)
  add(lines, 9, what .. ": the same, a wiped handle each",
    samples:ratio(key("cpu", "bytenite"), key("cpu", "multi_fresh")))
end

local function add_batches(lines, samples)
  for _, scheme in ipairs(batches.SCHEMES) do
    for _, load in ipairs(batches.LOADS) do
      for _, concurrency in ipairs(batches.CONCURRENCY) do
        add_batch(lines, samples, scheme, load, concurrency)
      end
    end
  end
end

---@param samples table
---@return table[] lines { row =, what =, measured = { min, median, max }?, goal = number?,
--- moonshot = number?, verdict = "pass"|"short"|"for comparison"|"not measured" }
function goals.judge(samples)
  local lines = {}
  add_calls(lines, samples)
  add_counts(lines, samples)
  add(lines, 5, "delete: the policy layer's share of the CPU", policy_share(samples), 0.10, 0.04)
  add_starts(lines, samples)
  add_listings(lines, samples)
  add_batches(lines, samples)
  add(lines, 10, "growth over 99,000 calls, KiB in memory",
    samples:summary(growth.RESIDENT), 256, 0)
  add(lines, 10, "growth over 99,000 calls, KiB of Lua's heap", samples:summary(growth.HEAP), 64)
  return lines
end

return goals
