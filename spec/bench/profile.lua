-- Where the instructions of a call go: `make bench-profile`. For each operation a table with a
-- column for each contestant and a row for each part of the process, in instructions per call over
-- HTTP on a kept connection.

local measure = require "measure"
local meter = require "meter"
local server = require "server"

local CONTESTANTS = { "easy", "multi", "core", "bytenite" }
local OPERATIONS = { "delete", "list", "put" }

-- Shared objects by a part of their names, in the order of the rows.
local PARTS = {
  { "libcurl", "libcurl" },
  { "libc", "C library" },
  { "/lua5", "Lua" },
  { "cjson", "lua-cjson" },
  { "core.so", "this module" },
}

local function part_of(object)
  for _, part in ipairs(PARTS) do
    if object:find(part[1], 1, true) then return part[2] end
  end
  return "others"
end

---@return table<string, number> instructions per call by part
local function profile(running, contestant, operation)
  local parts = { others = 0 }
  for _, part in ipairs(PARTS) do
    parts[part[2]] = 0
  end
  local objects = measure.instructions_by_object {
    contestant = contestant,
    job = operation,
    url = running.http,
  }
  for object, count in pairs(objects) do
    local part = part_of(object)
    parts[part] = parts[part] + count
  end
  return parts
end

local function print_row(name, columns)
  local cells = {}
  for position, value in ipairs(columns) do
    cells[position] = ("%10s"):format(type(value) == "number" and ("%.0f"):format(value) or value)
  end
  print(("    %-12s %s"):format(name, table.concat(cells)))
end

local function print_table(operation, profiles)
  print(("\n%s: instructions per call\n"):format(operation))
  print_row("", CONTESTANTS)
  local totals = {}
  local names = { "others" }
  for position, part in ipairs(PARTS) do
    table.insert(names, position, part[2])
  end
  for _, name in ipairs(names) do
    local columns = {}
    for position, parts in ipairs(profiles) do
      columns[position] = parts[name]
      totals[position] = (totals[position] or 0) + parts[name]
    end
    print_row(name, columns)
  end
  print_row("all", totals)
end

local cpus = meter.cpus()
local running = server.start(cpus[#cpus])
local ok, problem = xpcall(function()
  for _, operation in ipairs(OPERATIONS) do
    local profiles = {}
    for position, contestant in ipairs(CONTESTANTS) do
      profiles[position] = profile(running, contestant, operation)
    end
    print_table(operation, profiles)
  end
end, debug.traceback)
running.stop()
if not ok then error(problem, 0) end
