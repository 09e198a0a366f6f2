-- The benchmark: `make bench` and, with more rounds and contestants, `make bench-full`.
--
--   bench.lua short|full
--
-- Prints tables, and writes results.json and results.svg into .build/bench. Those of a run on a
-- quiet machine are kept beside this file, for README.md.

local batches = require "batches"
local calls = require "calls"
local counts = require "counts"
local dkjson = require "dkjson"
local goals = require "goals"
local growth = require "growth"
local listings = require "listings"
local meter = require "meter"
local plot = require "plot"
local Samples = require "samples"
local server = require "server"
local starts = require "starts"

local PLACE = ".build/bench/"

local FORM = arg[1]
local FULL = FORM == "full"
assert(FULL or FORM == "short", "usage: bench.lua short|full")

local ROUNDS = FULL
    and { calls = 15, starts = 15, listings = 9, counts = 1, growth = 1, batches = 7 }
  or { calls = 9, starts = 7, listings = 3, counts = 1, growth = 1, batches = 3 }

-- Measuring ---------------------------------------------------------------------------------------

local function progress(text)
  io.stderr:write("bench: ", text, "\n")
end

local function rounds(name, round)
  for number = 1, ROUNDS[name] do
    progress(("%s, round %d of %d"):format(name, number, ROUNDS[name]))
    round()
  end
end

-- On the CPU of the server, so that what two CPUs tell each other does not count.
local function measure_on_one_cpu(running, samples, present)
  rounds("calls", function()
    calls.round(running, samples, present)
  end)
  for _, section in ipairs {
    { "starts", starts }, { "listings", listings }, { "counts", counts }, { "growth", growth },
  } do
    rounds(section[1], function()
      section[2].round(running, samples)
    end)
  end
end

---@return table[] curve
local function measure_batches(running, samples)
  rounds("batches", function()
    batches.round(running, samples)
  end)
  progress("batches of more and more at once")
  return batches.curve(running)
end

-- Results -----------------------------------------------------------------------------------------

local function output_of(command)
  local pipe = io.popen(command)
  local output = pipe:read("a")
  pipe:close()
  return (output:gsub("%s+$", ""))
end

local function machine()
  local info = require("bytenite.secrets").info()
  return {
    date = os.date("!%Y-%m-%d"),
    version = info.version,
    cpu = output_of("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1"),
    cpus = #meter.cpus(),
    kernel = output_of("uname -sr"),
    lua = info.lua,
    libcurl = info.libcurl,
    tls = info.tls,
    cjson = info.cjson,
    nginx = output_of("/usr/sbin/nginx -v 2>&1"):match("nginx/%S+"),
  }
end

local function scaled(value, factor)
  return { min = value.min * factor, median = value.median * factor, max = value.max * factor }
end

---@return table[] of { scheme, operation, contestant, label, microseconds, ratio }
local function results_of_calls(samples, present)
  local results = {}
  for _, scheme in ipairs(calls.SCHEMES) do
    for _, operation in ipairs(calls.OPERATIONS) do
      for _, contestant in ipairs(present) do
        local key = calls.key(scheme, operation, contestant.name)
        local value = samples:summary(key)
        results[#results + 1] = value and {
          scheme = scheme,
          operation = operation,
          contestant = contestant.name,
          label = contestant.label,
          microseconds = scaled(value, 1e6),
          ratio = samples:ratio(key, calls.key(scheme, operation, "easy")),
        }
      end
    end
  end
  return results
end

---@return table[] of { name, min, median, max }: everything else that was measured, in seconds
local function all_samples(samples)
  local results = {}
  for name in pairs(samples.of) do
    local value = samples:summary(name)
    value.name = name
    results[#results + 1] = value
  end
  table.sort(results, function(a, b)
    return a.name < b.name
  end)
  return results
end

-- Numbers of four digits say all there is to say.
local function rounded(value)
  if type(value) == "number" then return tonumber(("%.4g"):format(value)) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for name, inner in pairs(value) do
    copy[name] = rounded(inner)
  end
  return copy
end

local KEY_ORDER = {
  "machine", "date", "version", "cpu", "cpus", "kernel", "lua", "libcurl", "tls", "cjson", "nginx",
  "goals", "calls", "curve", "samples", "row", "what", "scheme", "operation",
  "contestant", "label", "name", "microseconds", "ratio", "measured", "min", "median", "max",
  "goal", "moonshot", "verdict", "concurrency", "multi", "bytenite",
}

local function write_json(results)
  local file = assert(io.open(PLACE .. "results.json", "w"))
  file:write(dkjson.encode(rounded(results), { indent = true, keyorder = KEY_ORDER }), "\n")
  file:close()
end

-- Tables ------------------------------------------------------------------------------------------

local function number_text(value)
  if value >= 100 then return ("%.0f"):format(value) end
  return ("%.2f"):format(value)
end

local function range_text(value)
  if not value then return "" end
  return ("%s [%s..%s]"):format(number_text(value.median), number_text(value.min),
    number_text(value.max))
end

local function goal_text(line)
  if not line.goal then return "" end
  if not line.moonshot then return number_text(line.goal) end
  return ("%s [%s]"):format(number_text(line.goal), number_text(line.moonshot))
end

local function print_goals(lines)
  print("\nGoals: median [min..max] of the rounds; goal [moonshot]\n")
  for _, line in ipairs(lines) do
    print(("%2d  %-66s %-20s %-12s %s"):format(line.row, line.what, range_text(line.measured),
      goal_text(line), line.verdict))
  end
end

local function print_calls(results)
  local heading
  for _, result in ipairs(results) do
    local place = ("%s over %s"):format(result.operation, result.scheme:upper())
    if place ~= heading then
      print(("\n%s: CPU microseconds per call, and the ratio to C curl_easy_perform\n"):format(
        place))
      heading = place
    end
    print(("    %-34s %-28s %s"):format(result.label, range_text(result.microseconds),
      range_text(result.ratio)))
  end
end

local function count_verdicts(lines)
  local count = { pass = 0, short = 0 }
  for _, line in ipairs(lines) do
    count[line.verdict] = (count[line.verdict] or 0) + 1
  end
  return count
end

-- The run -----------------------------------------------------------------------------------------

local function run()
  local samples = Samples.new()
  local present = calls.present(FULL)
  local cpus = meter.cpus()
  local results = { machine = machine() }
  local running = server.start(cpus[#cpus])
  local ok, problem = xpcall(function()
    measure_on_one_cpu(running, samples, present)
    meter.pin(cpus[1])
    results.curve = measure_batches(running, samples)
  end, debug.traceback)
  running.stop()
  if not ok then error(problem, 0) end
  results.goals = goals.judge(samples)
  results.calls = results_of_calls(samples, present)
  results.samples = all_samples(samples)
  return results
end

local began = meter.wall()
local results = run()
write_json(results)
plot(PLACE .. "results.json", PLACE .. "results.svg")
print_calls(results.calls)
print_goals(results.goals)
local count = count_verdicts(results.goals)
print(("\n%d goals met, %d short, in %.0f s; %sresults.json, %sresults.svg"):format(count.pass,
  count.short, meter.wall() - began, PLACE, PLACE))
