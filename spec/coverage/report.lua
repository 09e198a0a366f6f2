-- Prints which lines of src/ and lua/ the specs of `make coverage` have run:
--
--   lua spec/coverage/report.lua BUILD
--
-- BUILD holds what the C was compiled to with --coverage, and BUILD/lines the notes of lines.c.

local cjson = require "cjson"

local BUILD = (...)
local LUA_VERSION = _VERSION:match "%d.%d"
local NOT_RUN_SHOWN = 12 -- ranges of lines

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text
end

-- Both languages give a table: path -> line -> whether it has run.

local function note(files, path, line, ran)
  files[path] = files[path] or {}
  files[path][line] = files[path][line] or ran
end

-- gcov writes a line of JSON for each object file.
local function lines_of_c()
  local files = {}
  for json in output_of(("find '%s' -name '*.gcno' -exec gcov --json-format --stdout {} + "
    .. "2>/dev/null"):format(BUILD)):gmatch("[^\n]+") do
    for _, file in ipairs(cjson.decode(json).files) do
      for _, line in ipairs(file.file:find("^src/") and file.lines or {}) do
        note(files, file.file, line.line_number, line.count > 0)
      end
    end
  end
  return files
end

-- Nothing that counts is on a line such as "end)" or "}", though some have an instruction.
local function is_closing(text)
  local rest = text:gsub("%f[%w]end%f[%W]", ""):gsub("%f[%w]else%f[%W]", "")
  return rest:find("^[%s(){},;]*$") ~= nil
end

-- Lines with an instruction, as luac lists them. Lua starts a function with variable arguments by
-- one for which it calls no hook.
local function code_lines(path)
  local texts, lines = {}, {}
  for text in (read(path) .. "\n"):gmatch("(.-)\n") do
    texts[#texts + 1] = text
  end
  local listing = output_of(("luac%s -l -p '%s'"):format(LUA_VERSION, path))
  for line, instruction in listing:gmatch("\t%d+\t%[(%d+)%]\t(%u+)") do
    line = tonumber(line)
    if instruction ~= "VARARGPREP" and not is_closing(texts[line]) then lines[line] = true end
  end
  return lines
end

local function lines_of_lua()
  local files = {}
  for path in output_of("find lua -type f"):gmatch("[^\n]+") do
    local ran = read(("%s/lines/%s"):format(BUILD, (path:gsub("/", "%%"))))
    for line in pairs(code_lines(path)) do
      note(files, path, line, (ran:byte(line + 1) or 0) > 0)
    end
  end
  return files
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

-- Those that have not run, as "12 20-23"; lines without code do not part a range.
local function ranges_of(lines)
  local ranges, first, last = {}, nil, nil
  local function close_range()
    if first then ranges[#ranges + 1] = first == last and first or first .. "-" .. last end
    first = nil
  end
  for _, line in ipairs(sorted_keys(lines)) do
    if lines[line] then
      close_range()
    else
      first, last = first or line, line
    end
  end
  close_range()
  if #ranges > NOT_RUN_SHOWN then
    return table.concat(ranges, " ", 1, NOT_RUN_SHOWN) .. " ..."
  end
  return table.concat(ranges, " ")
end

local function print_row(name, ran, count, rest)
  print(("%-47s %5d of %5d %6.1f %%  %s"):format(name, ran, count, 100 * ran / math.max(1, count),
    rest))
end

local function print_table(language, files)
  local all_ran, all_count = 0, 0
  print(("\n%-47s %14s %8s  lines that did not run"):format(language, "lines run", ""))
  for _, path in ipairs(sorted_keys(files)) do
    local ran, count = 0, 0
    for _, has_run in pairs(files[path]) do
      count = count + 1
      if has_run then ran = ran + 1 end
    end
    all_ran, all_count = all_ran + ran, all_count + count
    print_row(path, ran, count, ranges_of(files[path]))
  end
  print_row(language .. " in all", all_ran, all_count, "")
end

print_table("C", lines_of_c())
print_table("Lua", lines_of_lua())
