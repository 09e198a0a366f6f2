-- Runs contestants, and takes the measure of them.
--
-- A subject is { contestant =, job =, url =, ca =, warmup =, count =, concurrency =, scrub = };
-- contestant.lua says what these are. `scrub = false` switches the scrubbing allocator off.

local meter = require "meter"
local process = require "process"

local PROGRAMS = ".build/bench/"
local LUA = os.getenv("LUA") or "lua5.4"

local FOREIGN = {
  easy = { PROGRAMS .. "easy" },
  multi = { PROGRAMS .. "multi" },
  multi_fresh = { "FRESH_HANDLES=1", PROGRAMS .. "multi" }, -- for env
  floor = { PROGRAMS .. "floor" },
  python_requests = { "/usr/bin/python3", "spec/bench/contestants/python_requests.py" },
  node_fetch = { "node", "spec/bench/contestants/node_fetch.js" },
}

local measure = {}

---@return string[] words of the command that runs a subject
local function command(subject)
  local words = { "env", "BYTENITE_SECRETS_SCRUB=" .. (subject.scrub == false and "0" or "") }
  if subject.contestant == "node_fetch" and subject.ca then
    words[#words + 1] = "NODE_EXTRA_CA_CERTS=" .. subject.ca
  end
  local program = FOREIGN[subject.contestant]
    or { LUA, "spec/bench/contestant.lua", subject.contestant }
  table.move(program, 1, #program, #words + 1, words)
  for _, word in ipairs {
    subject.job, subject.url, subject.ca or "-", subject.warmup, subject.count,
    subject.concurrency or 1,
  } do
    words[#words + 1] = tostring(word)
  end
  return words
end

local function execute(words)
  local pid, fd = process.spawn(table.unpack(words))
  local pieces = {}
  repeat
    pieces[#pieces + 1] = process.read(fd)
  until pieces[#pieces] == ""
  process.close(fd)
  local status, cpu, peak = meter.wait(pid)
  if status ~= 0 then
    error(("status %d of %s"):format(status, table.concat(words, " ")), 0)
  end
  return { output = table.concat(pieces), cpu = cpu, peak = peak }
end

---Runs a subject as a process.
---@return { output: string, cpu: number, peak: integer } run CPU seconds and peak KiB of all of it
function measure.process(subject)
  return execute(command(subject))
end

---@return number, number the two numbers that the contestant prints
function measure.numbers(subject)
  local first, second = measure.process(subject).output:match("^(%S+)%s+(%S+)")
  return tonumber(first), tonumber(second)
end

---@return number seconds of CPU per call
---@return number seconds of wall time for all of them
function measure.time(subject)
  local cpu, wall = measure.numbers(subject)
  return cpu / subject.count, wall
end

-- What repeats ------------------------------------------------------------------------------------

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

-- Runs so many calls under a tool: the words before a command that leave a report of it in a file.
---@return string report
local function report_of(subject, tool, count)
  local path = os.tmpname()
  local run = setmetatable({ warmup = count, count = 0 }, { __index = subject })
  local words = tool(path)
  table.move(command(run), 1, #command(run), #words + 1, words)
  execute(words)
  local report = read(path)
  os.remove(path)
  return report
end

-- What one more call adds to a count: that of `many` calls less that of a few, shared out.
local function per_call(subject, tool, pattern, few, many)
  local counts = {}
  for position, count in ipairs { few, many } do
    local found = report_of(subject, tool, count):match(pattern)
    counts[position] = tonumber((assert(found, "no count in a report"):gsub(",", "")))
  end
  return (counts[2] - counts[1]) / (many - few)
end

-- The C library chooses its copying and filling functions by the CPU, and with some of them
-- valgrind counts an instruction for each byte.
local PLAIN_CPU = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM"

local function callgrind(path)
  return { "env", PLAIN_CPU, "valgrind", "-q", "--trace-children=yes", "--tool=callgrind",
    "--callgrind-out-file=" .. path }
end

local FEW, MANY = 50, 250

---@return number instructions in user space per call
function measure.instructions(subject)
  return per_call(subject, callgrind, "\nsummary: (%d+)", FEW, MANY)
end

-- Adds up what callgrind counted by the shared object that the instructions are of. A line of costs
-- behind one of calls is that of the function that was called, and counts there.
-- https://valgrind.org/docs/manual/cl-format.html
local function add_by_object(report, factor, sums)
  local names, object, is_call = {}, nil, false
  for line in report:gmatch("[^\n]+") do
    local id, name = line:match("^c?ob=(%(%d+%))%s*(.*)")
    if id and name ~= "" then names[id] = name end
    if line:find("^ob=") then
      object = names[id]
    elseif line:find("^calls=") then
      is_call = true
    elseif line:find("^[%d+*-]") then
      local cost = line:match("^%S+ (%d+)")
      if cost and not is_call then sums[object] = (sums[object] or 0) + factor * tonumber(cost) end
      is_call = false
    end
  end
end

---@return table<string, number> instructions in user space per call, by shared object
function measure.instructions_by_object(subject)
  local sums = {}
  add_by_object(report_of(subject, callgrind, FEW), -1 / (MANY - FEW), sums)
  add_by_object(report_of(subject, callgrind, MANY), 1 / (MANY - FEW), sums)
  return sums
end

---@return number system calls per call
function measure.system_calls(subject)
  return per_call(subject, function(path)
    return { "strace", "-c", "-o", path }
  end, "(%d+)%s+%d*%s+total", 1000, 2000)
end

---@return number blocks of memory taken from the C library per call
function measure.allocations(subject)
  return per_call(subject, function(path)
    return { "valgrind", "--trace-children=yes", "--log-file=" .. path }
  end, "total heap usage: ([%d,]+) allocs", 50, 250)
end

return measure
