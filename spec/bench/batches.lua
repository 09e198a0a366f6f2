-- Many puts at once, against a server that takes its time. Connections are made within the time.

local measure = require "measure"

local batches = {}

batches.SCHEMES = { "http", "https" }
batches.CONCURRENCY = { 8, 32 }
-- milliseconds that the server takes, puts, calls one after the other that tell the latency
batches.LOADS = { { delay = 20, puts = 1000, probe = 20 }, { delay = 100, puts = 200, probe = 5 } }
batches.SIDES = { "multi", "multi_fresh", "bytenite" }

-- For the plot.
batches.CURVE = { scheme = "http", delay = 20, puts = 256,
  concurrency = { 1, 2, 4, 8, 16, 32, 64, 128 }, sides = { "multi", "bytenite" } }

local function subject(server, scheme, delay, side)
  return {
    contestant = side,
    url = ("%s/%dms"):format(server[scheme], delay),
    ca = scheme == "https" and server.ca or nil,
    warmup = 0,
  }
end

local function run(server, scheme, load, concurrency, side)
  local batch = subject(server, scheme, load.delay, side)
  batch.job = side == "bytenite" and "put_all" or "put"
  batch.count, batch.concurrency = load.puts, concurrency
  return measure.time(batch)
end

-- Seconds that one call takes.
local function latency(server, scheme, load)
  local probe = subject(server, scheme, load.delay, "easy")
  probe.job, probe.warmup, probe.count = "put", 1, load.probe
  local _, wall = measure.time(probe)
  return wall / load.probe
end

---@param what "cpu"|"wall"|"efficiency" seconds per put, seconds, and the ratio of the wall time to
--- the shortest possible, which is the measured latency times ceil(puts / concurrency)
---@return string name among the samples
function batches.key(what, scheme, delay, concurrency, side)
  return ("batch %s %s %dms %d %s"):format(what, scheme, delay, concurrency, side)
end

---@return string name among the samples: seconds of one call
function batches.latency_key(scheme, delay)
  return ("latency %s %dms"):format(scheme, delay)
end

local function round_of_load(server, samples, scheme, load)
  local one = latency(server, scheme, load)
  samples:add(batches.latency_key(scheme, load.delay), one)
  for _, concurrency in ipairs(batches.CONCURRENCY) do
    local shortest = math.ceil(load.puts / concurrency) * one
    for _, side in ipairs(batches.SIDES) do
      local cpu, wall = run(server, scheme, load, concurrency, side)
      local function add(what, value)
        samples:add(batches.key(what, scheme, load.delay, concurrency, side), value)
      end
      add("cpu", cpu)
      add("wall", wall)
      add("efficiency", wall / shortest)
    end
  end
end

function batches.round(server, samples)
  for _, scheme in ipairs(batches.SCHEMES) do
    for _, load in ipairs(batches.LOADS) do
      round_of_load(server, samples, scheme, load)
    end
  end
end

---@return table[] points { concurrency =, multi = seconds, bytenite = seconds }
function batches.curve(server)
  local points = {}
  for position, concurrency in ipairs(batches.CURVE.concurrency) do
    points[position] = { concurrency = concurrency }
    for _, side in ipairs(batches.CURVE.sides) do
      local _, wall = run(server, batches.CURVE.scheme, batches.CURVE, concurrency, side)
      points[position][side] = wall
    end
  end
  return points
end

return batches
