-- Looks for secrets in the memory of a process of its own, from outside.
--
--   local subject = scan.start(variables, program, arguments...)   or scan.start_on_terminal
--   subject:answer(prompt, text)   types a line there when the terminal shows the prompt
--   subject:next()         waits for its next checkpoint: a line "NAME VERDICT" that it writes, and
--                          then it waits in turn
--   subject:scan(secrets)  what is there of each secret: see scan.Counts
--   subject:dump(secrets)  the same for a core file
--   subject:go()           lets it go on
--   subject:stop()
--
-- Secrets are random, and come to the subject by files, never by its arguments. They are looked for
-- as they are and as JSON writes them. No other form of them is ever made: the API knows no base64
-- and no form encoding, and with TLS the ciphertext is no copy.

local cjson = require "cjson"
local environment = require "environment"
local process = require "process"
local scanner = require "scanner"
local shell = require "shell"
local terminal = require "terminal"

-- The shortest run of bytes that counts as a fragment.
local LEAST = 12

local GROUPS = 6
local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local scan = {}

-- Secrets -----------------------------------------------------------------------------------------

local random_source = assert(io.open("/dev/urandom", "rb"))

local function random_letters(count)
  local letters = random_source:read(count):gsub(".", function(byte)
    local position = byte:byte() % #LETTERS + 1
    return LETTERS:sub(position, position)
  end)
  return letters
end

---A random secret of 48 bytes or more.
---@param specials string[] characters that JSON escapes, one after each seventh letter, so that no
--- fragment looks the same in both forms; or no specials, for a secret that has one form
---@param groups integer? of seven letters
function scan.secret(specials, groups)
  local parts = {}
  for group = 1, groups or GROUPS do
    parts[group] = random_letters(specials[1] and 7 or 8)
      .. (specials[1] and specials[group % #specials + 1] or "")
  end
  return table.concat(parts)
end

---A string as it stands within JSON.
function scan.escaped(text)
  return cjson.encode(text):sub(2, -2)
end

-- The forms of all secrets, and to which secret each belongs.
local function patterns_of(secrets)
  local patterns, names = {}, {}
  for name, text in pairs(secrets) do
    patterns[#patterns + 1], names[#names + 1] = text, name
    -- A text with bytes that are not UTF-8 never gets to be JSON.
    local escaped = scan.escaped(text)
    if escaped ~= text then
      patterns[#patterns + 1], names[#names + 1] = escaped, name
    end
  end
  return patterns, names
end

-- Memory ------------------------------------------------------------------------------------------

-- What the system maps itself and lets nobody read.
local SYSTEM = { ["[vvar]"] = true, ["[vvar_vclock]"] = true, ["[vsyscall]"] = true }

-- A line of smaps that begins another mapping.
local function read_mapping(line)
  local from, to, rights, name = line:match("^(%x+)%-(%x+) (%S+) %x+ %x+:%x+ %d+%s*(.*)$")
  if not from or SYSTEM[name] then return from and {} end
  return { from = tonumber(from, 16), to = tonumber(to, 16), rights = rights, name = name }
end

-- Whether a mapping is nothing but pages of a file, as they are in the file.
local function is_file(mapping)
  return mapping.name:sub(1, 1) == "/" and mapping.rights:sub(-1) == "p"
    and mapping.Anonymous == "0" and mapping.Swap == "0"
end

-- The mappings of a process that may hold something of it. `own` are those that a SecretString or
-- a token has for itself, which nothing else does: anonymous memory kept out of core dumps.
local function mappings_of(pid)
  local all, mappings = {}, {}
  local file = assert(io.open(("/proc/%d/smaps"):format(pid)))
  for line in file:lines() do
    local mapping = read_mapping(line)
    if mapping then
      all[#all + 1] = mapping
    else
      local name, value = line:match("^(%w+):%s+(.-)%s*$")
      all[#all][name or ""] = value and value:gsub(" kB$", "")
    end
  end
  file:close()
  for _, mapping in ipairs(all) do
    if mapping.name and not is_file(mapping) then
      mapping.own = mapping.name == "" and (" " .. mapping.VmFlags .. " "):find(" dd ", 1, true)
      mappings[#mappings + 1] = mapping
    end
  end
  return mappings
end

---@class scan.Counts
---@field own integer whole copies in pages that are there for secrets alone
---@field copies integer whole copies elsewhere
---@field fragments integer runs of 12 bytes or more, elsewhere or in such pages
---@field places string[] where copies and fragments are, for people

local function new_counts(secrets)
  local counts = {}
  for name in pairs(secrets) do
    counts[name] = { own = 0, copies = 0, fragments = 0, places = {} }
  end
  return counts
end

local function add(counts, found, text, mapping)
  local whole = found.length == #text
  if whole and mapping.own then
    counts.own = counts.own + 1
    return
  end
  local kind = whole and "copies" or "fragments"
  counts[kind] = counts[kind] + 1
  counts.places[#counts.places + 1] = ("%d bytes from %d at %x in %s %s%s"):format(found.length,
    found.offset, found.at, mapping.rights, mapping.name, mapping.own and "(own page)" or "")
end

---@return table<string, scan.Counts>
local function search(secrets, path, mappings)
  local patterns, names = patterns_of(secrets)
  local counts = new_counts(secrets)
  for _, found in ipairs(scanner.find(path, mappings, patterns, LEAST)) do
    add(counts[names[found.pattern]], found, patterns[found.pattern], mappings[found.range])
  end
  return counts
end

-- The process that is looked at -------------------------------------------------------------------

local Subject = {}
Subject.__index = Subject

-- Calls a function while these variables are set, and no others of the module.
local function within(variables, called, ...)
  environment.clear()
  environment.set(variables)
  local ok, first, second, third = pcall(called, ...)
  environment.restore()
  assert(ok, first)
  return first, second, third
end

---@param variables table<string, string> of the program's environment
function scan.start(variables, ...)
  local pid, output, input = within(variables, process.converse, ...)
  return setmetatable({ pid = pid, output = output, input = input }, Subject)
end

---@param variables table<string, string>
function scan.start_on_terminal(variables, ...)
  local started = within(variables, terminal.start, ...)
  return setmetatable({ pid = started.pid, terminal = started }, Subject)
end

function Subject:answer(prompt, text)
  self.terminal:expect(prompt)
  self.terminal:type(text .. "\n")
end

local function read_line(self)
  if self.terminal then return self.terminal:expect "\r\n" end
  local line = ""
  repeat
    local more = process.read(self.output)
    line = line .. more
  until more == "" or more:sub(-1) == "\n"
  return line
end

---@return string? name of the checkpoint; nil when the program has ended
---@return string verdict what came of the step before it
function Subject:next()
  local line
  repeat -- a terminal also shows the empty lines that are typed
    line = read_line(self)
  until line ~= "" or not self.terminal
  return line:match("^(%S+) (%S+)")
end

function Subject:go()
  if self.terminal then
    self.terminal:type "\n"
  else
    process.write(self.input, "\n")
  end
end

---@return table<string, scan.Counts>
function Subject:scan(secrets)
  return search(secrets, ("/proc/%d/mem"):format(self.pid), mappings_of(self.pid))
end

---Of a core file that gdb writes. The kernel writes the same one, but where to is for the whole
---machine to say (core_pattern), and then the process is over.
---@return table<string, scan.Counts>
function Subject:dump(secrets)
  local path = os.tmpname()
  shell(("gdb -nx -batch -iex 'set auto-solib-add off' -p %d "
    .. "-ex 'generate-core-file %s' </dev/null 2>&1"):format(self.pid, path))
  local file = assert(io.open(path, "rb"))
  local size = file:seek("end")
  file:close()
  assert(size > 0, "gdb wrote no core file")
  local counts = search(secrets, path, { { from = 0, to = size, rights = "", name = "core file" } })
  os.remove(path)
  return counts
end

---The bytes of its environment, as the system shows them.
---@return string
function Subject:environment()
  local file = assert(io.open(("/proc/%d/environ"):format(self.pid), "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

---Ends the program, unless it has ended.
function Subject:stop()
  process.kill(self.pid, 9)
  if self.terminal then return self.terminal:stop() end
  process.close(self.input)
  process.close(self.output)
  process.wait(self.pid)
end

return scan
