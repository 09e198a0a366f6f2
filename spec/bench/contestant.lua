-- Runs one contestant that is written in Lua:
--
--   contestant.lua NAME JOB URL CA WARMUP COUNT [CONCURRENCY]
--
-- NAME is a file in spec/bench/contestants, which returns a function of the base URL and the CA
-- file, nil for plain HTTP, that connects and returns the operations. JOB is one of
--
--   list, put, delete   COUNT calls; prints the seconds of CPU and of wall time that they took
--   put_all             the same for COUNT puts in one bulk call
--   apart               COUNT times list, with the garbage collected between the calls, not timed
--   growth              prints KiB of memory and of Lua's heap that were added by COUNT calls
--   nothing             loads the module, nothing more

local name, job, url, ca, warmup, count, concurrency = table.unpack(arg)
warmup, count, concurrency = tonumber(warmup), tonumber(count), tonumber(concurrency)

local function repeated(call, times)
  for _ = 1, times do
    call()
  end
end

local contestant = require("contestants." .. name)
if job == "nothing" then os.exit(true, true) end
local operations = contestant(url, ca ~= "-" and ca or nil)
local cpu = operations.cpu or os.clock -- glibc's clock() is CLOCK_PROCESS_CPUTIME_ID

local function timed(call)
  local wall = require("meter").wall
  local cpu_before, wall_before = cpu(), wall()
  call()
  print(("%.9f %.9f"):format(cpu() - cpu_before, wall() - wall_before))
end

local function resident()
  local file = assert(io.open("/proc/self/status"))
  local kib = file:read("a"):match("VmRSS:%s*(%d+) kB")
  file:close()
  return tonumber(kib)
end

local function heap()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

local function all()
  operations.put()
  operations.list()
  operations.delete()
end

local jobs = {}

function jobs.put_all()
  operations.put_all(warmup, concurrency)
  timed(function()
    operations.put_all(count, concurrency)
  end)
end

function jobs.apart()
  local total = 0
  repeated(operations.list, warmup)
  for _ = 1, count do
    collectgarbage()
    local before = cpu()
    operations.list()
    total = total + (cpu() - before)
  end
  print(("%.9f 0"):format(total))
end

function jobs.growth()
  repeated(all, warmup)
  local heap_before = heap()
  local before = resident()
  repeated(all, count)
  local heap_after = heap()
  print(resident() - before, heap_after - heap_before)
end

if jobs[job] then
  jobs[job]()
else
  repeated(operations[job], warmup)
  if count > 0 then
    timed(function()
      repeated(operations[job], count)
    end)
  end
end
