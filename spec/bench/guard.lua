-- The regression guard: `make bench-guard`. What repeats on any machine with the same libraries is
-- compared with limits.lua; nothing here depends on time. The last line is "N passed, N failed".

local growth = require "growth"
local limits = require "limits"
local measure = require "measure"
local meter = require "meter"
local server = require "server"

local SLACK = 1.05
local ATTEMPTS = 3

local passed, failed = 0, 0

-- A busy machine can only add to a count, as when an answer has to be waited for once more; so the
-- least of a few attempts counts.
local function check(what, limit, take)
  local value = take()
  for _ = 2, ATTEMPTS do
    if value <= limit then break end
    value = math.min(value, take())
  end
  local ok = value <= limit
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%-6s %-36s %10.1f, at most %10.1f"):format(ok and "ok" or "FAILED", what, value, limit))
end

local function platform()
  local pipe = io.popen("uname -m")
  local machine = pipe:read("l")
  pipe:close()
  return require("bytenite.secrets").info().libcurl .. " " .. machine
end

local function check_counts(running)
  local known = limits.calls[platform()]
  if not known then
    print("skipped: there are no limits for the calls of libcurl " .. platform())
    return
  end
  for _, measured in ipairs { "instructions", "allocations", "system_calls" } do
    for _, operation in ipairs { "list", "put", "delete" } do
      check(("%s of a %s"):format(measured:gsub("_", " "), operation),
        known[measured][operation] * SLACK, function()
          return measure[measured] { contestant = "bytenite", job = operation, url = running.http }
        end)
    end
  end
end

local function check_growth(running)
  check("KiB in memory, by 99,000 calls", limits.growth.resident, function()
    return (growth.measure(running))
  end)
  check("KiB of Lua's heap, by 99,000 calls", limits.growth.heap, function()
    return select(2, growth.measure(running))
  end)
end

local cpus = meter.cpus()
local running = server.start(cpus[#cpus])
local ok, problem = xpcall(function()
  check_counts(running)
  check_growth(running)
end, debug.traceback)
running.stop()
if not ok then
  print(problem)
  failed = failed + 1
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
