-- Plays one case: a server, a program, and a look at the program's memory after each step.

local certificates = require "certificates"
local process = require "process"
local raw_server = require "raw_server"
local scan = require "memscan.scan"
local socket = require "socket"

local unpack = table.unpack or rawget(_G, "unpack")

local LUA = os.getenv("LUA") or "lua"
local SUBJECT = "spec/memscan/subject.lua"

local trial = {}

-- Secrets and servers ---------------------------------------------------------------------------

-- JSON escapes some of each; a token and an API key are made of visible ASCII characters.
local function new_secrets(case)
  return {
    secretKey = case.key and case.key() or scan.secret { '"', "\\", "\n", 'é"' },
    apiKey = scan.secret { '"', "\\" },
    token = scan.secret { '"', "\\" },
    renewed = scan.secret { '"', "\\" },
  }
end

-- A file that only its owner can read.
local function file_with(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function new_files(secrets)
  local files = {}
  for name, text in pairs(secrets) do
    files[name] = file_with(text)
  end
  return files
end

local function remove(files)
  for _, path in pairs(files) do
    os.remove(path)
  end
end

local function start_server(scripts, encrypted, protocol)
  local all = {}
  for number, script in ipairs(scripts) do
    all[number] = { unpack(script) }
    if encrypted then
      local pair = certificates[script.certificate or "good"]
      table.insert(all[number], 1, raw_server.tls(pair, protocol))
    end
  end
  local server = raw_server.start(all)
  if encrypted then server.url = server.url:gsub("^http:", "https:") end
  return server
end

-- The subject ------------------------------------------------------------------------------------

local VARIABLES = { secretKey = "SCAN_SECRET_KEY", apiKey = "SCAN_API_KEY" }
local PROMPT = "Key: "
local DESCRIPTORS = { secretKey = 3, apiKey = 4 }

-- How the subject comes by a key.
local function offer(name, source, secrets, files, start)
  local place = files[name]
  if source == "BYTENITE_API_KEY_FILE" then
    start.environment[source] = place
    return
  elseif source == "from_fd" then
    start.redirections = ("%s %d<%s"):format(start.redirections, DESCRIPTORS[name], place)
    place = DESCRIPTORS[name]
  elseif source == "from_prompt" then
    place = PROMPT
  elseif source == "from_env" then
    place = VARIABLES[name]
    start.environment[place] = secrets[name]
  end
  table.insert(start.command, ("%s=%s:%s"):format(name, source, place))
end

local function source_of(case, name)
  local source = case.sources and case.sources[name]
  if source == nil and name ~= "token" then return "from_file" end
  return source
end

local function start_subject(case, options, secrets, files, url)
  local start = {
    command = {
      LUA, SUBJECT, "url=" .. url, "steps=" .. table.concat(case.steps, ","),
      "collector=" .. (options.collector or "stop"),
    },
    environment = {},
    redirections = "",
  }
  if options.encrypted then table.insert(start.command, "ca_file=" .. certificates.ca) end
  for _, name in ipairs { "timeout", "wait", "ending" } do
    if case[name] then table.insert(start.command, name .. "=" .. case[name]) end
  end
  for name, value in pairs(options.environment or {}) do
    start.environment[name] = value
  end
  for _, name in ipairs { "secretKey", "apiKey", "token" } do
    local source = source_of(case, name)
    if source then offer(name, source, secrets, files, start) end
  end
  if source_of(case, "secretKey") == "from_prompt" then
    local subject = scan.start_on_terminal(start.environment, unpack(start.command))
    subject:answer(PROMPT, secrets.secretKey)
    return subject
  end
  return scan.start(start.environment, "sh", "-c", 'exec "$0" "$@"' .. start.redirections,
    unpack(start.command))
end

-- What is to be found ----------------------------------------------------------------------------

-- How often each secret lies in pages of its own; nil where the collector has a say in it.
local function expected_own(case, name, step, position)
  if step == "collect" then return 0 end
  if case.own and case.own[step] and case.own[step][name] then return case.own[step][name] end
  if name == "secretKey" or name == "apiKey" then
    local source = source_of(case, name)
    if source == "function" or source == "BYTENITE_API_KEY_FILE" then return nil end
    return step == "wipe" and 0 or 1
  end
  if case.raises then return nil end
  if step == "close" or step == "wipe" then return 0 end
  local token = "token"
  if case.tokens then token = case.tokens[position] end
  return name == token and 1 or 0
end

local function check_counts(case, position, look, problems)
  for name, count in pairs(look.counts) do
    local own = expected_own(case, name, look.step, position)
    if own and count.own ~= own then
      problems[#problems + 1] = ("after %s: %s has %d copies in pages of its own, not %d")
        :format(look.step, name, count.own, own)
    end
    for _, place in ipairs(count.places) do
      problems[#problems + 1] = ("after %s: %s: %s"):format(look.step, name, place)
    end
  end
end

-- The trial --------------------------------------------------------------------------------------

local SIGINT = 2

-- Presses Ctrl-C once the server has the last request.
local function interrupt(subject, server, sends)
  repeat
    socket.sleep(0.01)
  until server:sends() == sends
  process.kill(subject.pid, SIGINT)
end

---@class memscan.Look
---@field step string
---@field counts table<string, scan.Counts>

---@class memscan.Options
---@field encrypted boolean?
---@field collector string? see spec/memscan/subject.lua; "stop" by default
---@field environment table<string, string>? of the program
---@field inspect fun(look: memscan.Look, subject: table, secrets: table)? called at each look

-- Looks after each step until the subject has come to its end.
local function look_on(case, options, play)
  local position = 0
  local step
  repeat
    local verdict
    step, verdict = play.subject:next()
    assert(step, "the subject ended early")
    position = position + 1
    local look = { step = step, counts = play.subject:scan(play.secrets) }
    play.looks[position] = look
    local expected = case.verdicts[position] or "ok"
    if verdict ~= expected then
      table.insert(play.problems, ("%s: %s, not %s"):format(step, verdict, expected))
    end
    check_counts(case, position, look, play.problems)
    if options.inspect then options.inspect(look, play.subject, play.secrets) end
    if case.refused and position == #case.steps - 1 then play.server:stop() end
    play.subject:go()
    if case.interrupted and position == #case.steps - 1 then
      interrupt(play.subject, play.server, position + 1)
    end
  until step == "collect"
end

---Plays a case with the module.
---@param case memscan.Case
---@param options memscan.Options
---@return memscan.Look[] looks one after each step, and after "close", "wipe" and "collect"
---@return string[] problems whatever is not as promised
function trial.run(case, options)
  local secrets = new_secrets(case)
  local files = new_files(secrets)
  local server = start_server(case.server(secrets), options.encrypted, case.protocol)
  if case.refused and #case.steps == 1 then server:stop() end
  local url = case.host and server.url:gsub("127%.0%.0%.1", case.host) or server.url
  local subject = start_subject(case, options, secrets, files, url)
  local play = { subject = subject, server = server, secrets = secrets, looks = {}, problems = {} }
  local ok, message = pcall(look_on, case, options, play)
  if not ok then table.insert(play.problems, message) end
  subject:stop()
  server:stop()
  remove(files)
  return play.looks, play.problems
end

---Plays an exchange, a put and a list with another program, of spec/memscan/peers.
---@param command string[]
---@param scripts fun(secrets: table<string, string>): table[]
---@param options memscan.Options
---@return memscan.Look[] looks one while all is in use, one when all is dropped and collected
---@return string[] problems
function trial.peer(command, scripts, options)
  local secrets =
    { secretKey = scan.secret {}, apiKey = scan.secret {}, token = scan.secret {} }
  local files = new_files(secrets)
  local server = start_server(scripts(secrets), options.encrypted)
  local words = { unpack(command) }
  for _, word in ipairs { server.url, certificates.ca, files.apiKey, files.secretKey } do
    words[#words + 1] = word
  end
  local subject = scan.start({}, unpack(words))
  local looks, problems = {}, {}
  while #looks < 2 and not problems[1] do
    local step = subject:next()
    if step then
      looks[#looks + 1] = { step = step, counts = subject:scan(secrets) }
      subject:go()
    else
      problems[1] = "the program ended early"
    end
  end
  subject:stop()
  server:stop()
  remove(files)
  return looks, problems
end

return trial
