-- The memory scan in its long form; see README.md, "Secrets in memory":
--   lua spec/memscan/run.lua [RUNS]
-- The last line is "N passed, N failed": a row counts as one.

local cases = require "memscan.cases"
local shell = require "shell"
local trial = require "memscan.trial"

local RUNS = tonumber((...)) or 20
local BUILD = os.getenv("BUILD") or ".build"
local LUA = os.getenv("LUA") or "lua"

-- Environments of the module.
local GNUTLS = { LUA_CPATH = ("%s-gnutls/?.so;%s/?.so;;"):format(BUILD, BUILD) }
local UNSCRUBBED = { BYTENITE_SECRETS_SCRUB = "0" }

local KEYS = { "secretKey", "apiKey" }
local TOKENS = { "token", "renewed" }
local ALL = { "secretKey", "apiKey", "token", "renewed" }

local passed, failed = 0, 0

local function count(problem)
  if problem then
    failed = failed + 1
    print("** " .. problem)
  else
    passed = passed + 1
  end
end

local function print_head(text)
  print(("\n%s\n"):format(text))
end

local function print_row(name, connection, cells)
  local shown = {}
  for number, cell in ipairs(cells) do
    shown[number] = ("%12s"):format(cell)
  end
  print(("%-41s %-5s %s"):format(name, connection, table.concat(shown)))
end

local function connection(encrypted)
  return encrypted and "TLS" or "plain"
end

-- How much was found in all runs ------------------------------------------------------------------

local function new_span()
  return { least = math.huge, most = 0 }
end

local function extend(span, number)
  span.least, span.most = math.min(span.least, number), math.max(span.most, number)
end

local function span_text(span)
  if span.least == span.most then return tostring(span.most) end
  return span.least .. "-" .. span.most
end

-- Of some secrets, beyond pages of their own.
local function new_sum(names)
  return { names = names, copies = new_span(), fragments = new_span() }
end

local function add(sum, counts)
  local copies, fragments = 0, 0
  for _, name in ipairs(sum.names) do
    if counts[name] then
      copies = copies + counts[name].copies
      fragments = fragments + counts[name].fragments
    end
  end
  extend(sum.copies, copies)
  extend(sum.fragments, fragments)
end

local function sum_text(sum)
  if sum.copies.least == math.huge then return "-" end
  if sum.fragments.most == 0 then return span_text(sum.copies) end
  return ("%s+%s"):format(span_text(sum.copies), span_text(sum.fragments))
end

local function most_of(sum)
  return sum.copies.most + sum.fragments.most
end

-- Cases -------------------------------------------------------------------------------------------

local PHASES = { "open", "closed", "wiped" }

local function phase_of(case, position, look)
  if position <= #case.steps then return "open" end
  return look.step == "close" and "closed" or "wiped"
end

local function new_sums(names)
  return { open = new_sum(names), closed = new_sum(names), wiped = new_sum(names) }
end

-- Plays a case in all runs; the collector rests in every other one.
local function run_case(case, encrypted, environment, is_problem)
  local keys, tokens = new_sums(KEYS), new_sums(TOKENS)
  local problem
  for run = 1, RUNS do
    local looks, problems = trial.run(case, { encrypted = encrypted, environment = environment,
      collector = run % 2 == 1 and "stop" or "run" })
    for position, look in ipairs(looks) do
      local phase = phase_of(case, position, look)
      add(keys[phase], look.counts)
      add(tokens[phase], look.counts)
    end
    problem = problem or is_problem(problems, keys, tokens)
  end
  local cells = {}
  for _, sums in ipairs { keys, tokens } do
    for _, phase in ipairs(PHASES) do
      cells[#cells + 1] = sum_text(sums[phase])
    end
  end
  print_row(case.name, connection(encrypted), cells)
  count(problem)
end

local function print_columns()
  print_row("", "", { "keys: open", "closed", "wiped", "token: open", "closed", "wiped" })
end

local function run_cases()
  print_head(("%d runs each. Copies + fragments of 12 bytes or more, beyond the pages that "
    .. "SecretStrings and\nthe current token have for themselves:"):format(RUNS))
  print_columns()
  local function is_problem(problems)
    return problems[1]
  end
  for _, case in ipairs(cases) do
    if not case.encrypted then run_case(case, false, {}, is_problem) end
    run_case(case, true, {}, is_problem)
  end
end

local function is_no_problem() end

-- What is left where another part of the process was the first to initialise libcurl.
local function run_unscrubbed()
  print_head "The same without scrubbing:"
  print_columns()
  for _, case in ipairs(cases) do
    run_case(case, true, UNSCRUBBED, is_no_problem)
  end
end

-- Of a TLS library other than OpenSSL only this is promised.
local function run_gnutls()
  print_head "The same with a libcurl that uses GnuTLS:"
  print_columns()
  for _, case in ipairs(cases) do
    run_case(case, true, GNUTLS, function(_, keys, tokens)
      for _, phase in ipairs(PHASES) do
        if most_of(keys[phase]) > 0 then return "a key is left behind" end
        if most_of(tokens[phase]) > 2 then return "a token is left behind more than twice" end
      end
    end)
  end
end

local function run_echoes()
  print_head "The same where the server tells a secret back, of which nothing is promised:"
  print_columns()
  for _, case in ipairs(cases.echoes) do
    run_case(case, true, {}, is_no_problem)
  end
end

-- Core dumps --------------------------------------------------------------------------------------

local STRINGS = { secretKey = "string", apiKey = "string" }

local function dump(name, encrypted, sources, is_problem)
  local sum = new_sum(ALL)
  local case = setmetatable({ sources = sources }, { __index = cases.compared })
  for _ = 1, RUNS do
    trial.run(case, { encrypted = encrypted, inspect = function(look, subject, secrets)
      if look.step == "list" then add(sum, subject:dump(secrets)) end
    end })
  end
  print_row(name, connection(encrypted), { sum_text(sum) })
  count(is_problem(sum))
end

local function run_dumps()
  print_head "Copies + fragments in a core file (gcore) after a token exchange, a put and a list:"
  for _, encrypted in ipairs { false, true } do
    dump("SecretStrings, the client open", encrypted, nil, function(sum)
      return (sum.copies.least > 0 or most_of(sum) > 0) and "the core file holds a secret"
    end)
    dump("  with Lua strings", encrypted, STRINGS, function(sum)
      return sum.copies.least == 0 and "the core file should hold Lua strings"
    end)
  end
end

-- Comparisons -------------------------------------------------------------------------------------

local COMPARED = { "secretKey", "apiKey", "token" }

-- play(encrypted) gives looks, the number of the one while all is in use, and what went wrong; the
-- last look is when all is dropped.
local function compare(name, encrypted, play, is_expected)
  local used, dropped = {}, {}
  for _, secret in ipairs(COMPARED) do
    used[secret], dropped[secret] = new_sum { secret }, new_sum { secret }
  end
  for _ = 1, RUNS do
    local looks, position, problem = play(encrypted)
    if problem then return count(name .. ": " .. problem) end
    for _, secret in ipairs(COMPARED) do
      add(used[secret], looks[position].counts)
      add(dropped[secret], looks[#looks].counts)
    end
  end
  local cells = {}
  for _, sums in ipairs { used, dropped } do
    for _, secret in ipairs(COMPARED) do
      cells[#cells + 1] = sum_text(sums[secret])
    end
  end
  print_row(name, connection(encrypted), cells)
  count(not is_expected(used, dropped) and name .. ": not as expected")
end

local function with_module(environment, sources)
  local case = setmetatable({ sources = sources }, { __index = cases.compared })
  return function(encrypted)
    local looks, problems = trial.run(case, { encrypted = encrypted, environment = environment,
      collector = "run" })
    return looks, #case.steps, not looks[#case.steps + 1] and problems[1]
  end
end

local function with_peer(...)
  local command = { ... }
  return function(encrypted)
    local looks, problems = trial.peer(command, cases.for_peers, { encrypted = encrypted })
    return looks, 1, problems[1]
  end
end

local function most_of_all(sums)
  return most_of(sums.secretKey) + most_of(sums.apiKey) + most_of(sums.token)
end

local function finds_none(used, dropped)
  return most_of_all(used) + most_of_all(dropped) == 0
end

local function finds_some(used)
  return most_of_all(used) > 0
end

local function finds_keys_of_strings(used)
  return used.secretKey.copies.least > 0 and used.apiKey.copies.least > 0
end

local PYTHON = "/usr/bin/python3"

local function has_requests()
  return shell(PYTHON .. " -c 'import requests; print(1)' 2>/dev/null") ~= ""
end

local function run_comparisons()
  print_head("Copies + fragments after a token exchange, a put and a list, while all is in use;\n"
    .. "and when it is gone: no variables, no connections, two full collections over:")
  print_row("", "", { "used: key", "API key", "token", "gone: key", "API key", "token" })
  for _, encrypted in ipairs { false, true } do
    compare("this module, SecretStrings", encrypted, with_module {}, finds_none)
    compare("  with Lua strings", encrypted, with_module({}, STRINGS), finds_keys_of_strings)
    compare("  without scrubbing", encrypted, with_module(UNSCRUBBED), finds_some)
    compare(encrypted and "luasec and cjson" or "luasocket and cjson", encrypted,
      with_peer(LUA, "spec/memscan/peers/lua_http.lua"), finds_some)
    compare("curl through io.popen, and cjson", encrypted,
      with_peer(LUA, "spec/memscan/peers/curl.lua"), finds_some)
    if has_requests() then
      compare("Python requests", encrypted,
        with_peer(PYTHON, "spec/memscan/peers/python_requests.py"), finds_some)
    else
      print("Python requests: left out, " .. PYTHON .. " has no module requests")
    end
  end
end

io.stdout:setvbuf "line"
run_cases()
run_gnutls()
run_unscrubbed()
run_echoes()
run_dumps()
run_comparisons()
print(("\n%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
