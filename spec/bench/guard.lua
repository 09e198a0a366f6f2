-- The regression guard: `make bench-guard`. What repeats on any machine with the same libraries is
-- compared with limits.lua; nothing here depends on time. The last line is "N passed, N failed".

local growth = require "growth"
local limits = require "limits"
local measure = require "measure"
local meter = require "meter"
local Samples = require "samples"
local server = require "server"

local SLACK = 1.05

local passed, failed = 0, 0

local function check(what, value, limit)
  local ok = value <= limit
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%-6s %-36s %10.1f, at most %10.1f"):format(ok and "ok" or "FAILED", what, value, limit))
end

-- These depend on libcurl, and are told apart by its version.
local function check_counts(running, libcurl)
  local known = limits.libcurl[libcurl]
  if not known then
    print(("skipped: there are no limits for the calls of libcurl %s"):format(libcurl))
    return
  end
  for _, measured in ipairs { "instructions", "allocations", "system_calls" } do
    for _, operation in ipairs { "list", "put", "delete" } do
      check(("%s of a %s"):format(measured:gsub("_", " "), operation),
        measure[measured] { contestant = "bytenite", job = operation, url = running.http },
        known[measured][operation] * SLACK)
    end
  end
end

local function check_growth(running)
  local samples = Samples.new()
  growth.round(running, samples)
  check("KiB in memory, by 99,000 calls", samples:summary(growth.RESIDENT).median,
    limits.growth.resident)
  check("KiB of Lua's heap, by 99,000 calls", samples:summary(growth.HEAP).median,
    limits.growth.heap)
end

local cpus = meter.cpus()
local running = server.start(cpus[#cpus])
local ok, problem = xpcall(function()
  check_counts(running, require("bytenite.secrets").info().libcurl)
  check_growth(running)
end, debug.traceback)
running.stop()
if not ok then
  print(problem)
  failed = failed + 1
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
