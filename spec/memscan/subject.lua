-- The program whose memory is looked at: uses the module as a script would, and after each step
-- writes what came of it and waits.
--
--   lua subject.lua NAME=VALUE...
--
--   url             of the server
--   ca_file         that its certificate is checked with
--   steps           names of operations, separated by commas
--   timeout         seconds for the last of them, without retries
--   secretKey       SOURCE:PLACE, and so are
--   apiKey          or else
--   token           an access token; without either the client looks into the environment
--   wait            "loop": the client waits through a function, as in an event loop; "raise": the
--                   function raises while the last step waits
--   ending          "collect": the client is not closed and no SecretString is wiped
--   collector       "stop": no garbage is collected before the end, so that nothing is given back
--                   and overwritten that would have been found, and nothing is wiped by a finalizer
--                   that should have been wiped by the call

local given = {}
for _, word in ipairs(arg) do
  local name, value = word:match("^([%w_]+)=(.*)$")
  given[name] = value
end
if given.collector == "stop" then collectgarbage("stop") end

local core = require "bytenite.secrets.core"
local process = require "process"
local secrets = require "bytenite.secrets"

local RECORD = { id = "my-key", secretType = "s3", accessKey = "AKIAIOSFODNN7EXAMPLE" }

local function checkpoint(name, verdict)
  io.stdout:write(name, " ", verdict, "\n")
  io.stdout:flush()
  io.stdin:read("*l")
end

-- Where a credential comes from -------------------------------------------------------------------

local sources = { from_file = secrets.from_file, from_prompt = secrets.from_prompt }

function sources.from_fd(number)
  return secrets.from_fd(tonumber(number))
end

function sources.from_env(name)
  return secrets.from_env(name, { unset = true })
end

sources["function"] = function(path)
  return function()
    return secrets.from_file(path)
  end
end

-- What the promise does not cover.
function sources.string(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function take(text)
  local source, place = text:match("^([^:]+):(.*)$")
  return assert(sources[source](place))
end

-- Steps -------------------------------------------------------------------------------------------

local client, key, credential

local steps = {}

function steps.nothing()
  return true
end

function steps.authenticate(limits)
  return client:authenticate(limits)
end

function steps.list(limits)
  return client:list(nil, limits)
end

function steps.put(limits)
  return client:put(RECORD, key, limits)
end

function steps.put_all()
  local items = {}
  for number = 1, 8 do
    items[number] = { secret = { id = "key-" .. number, secretType = "s3" }, secretKey = key }
  end
  local report, err = client:put_all(items, { concurrency = 4 })
  if report then return report.ok, report.results[1].err end
  return nil, err
end

function steps.apply()
  local plan, err = client:plan { { secret = RECORD, secretKey = key } }
  if not plan then return nil, err end
  tostring(plan)
  return (client:apply(plan))
end

function steps.rotate(limits)
  return client:rotate("s3", "my-key", key, limits)
end

function steps.delete(limits)
  return client:delete("s3", "my-key", limits)
end

-- The core checks the record once more after it has taken the key.
function steps.put_invalid()
  local ok, err = client:put({ id = "my-key", secretType = "s3", params = { 0 / 0 } }, key)
  if not ok then return nil, err end
end

function steps.core_put_invalid()
  local _, facts = client.core:put({ id = "..", secretType = "s3" }, key, 1)
  return nil, { kind = facts.reason }
end

function steps.core_put_raises()
  local ok = pcall(client.core.put, client.core, { id = 1, secretType = "s3" }, key, 1)
  return ok, { kind = "raised" }
end

-- All that one might do to a SecretString by mistake.
function steps.mishandle()
  local cjson = require "cjson"
  tostring(key)
  pcall(function() return "key: " .. key end)
  pcall(string.format, "%s %q", key, key)
  pcall(cjson.encode, { key = key })
  pcall(error, key)
  pcall(io.stderr.write, io.stderr, key)
  pcall(client.put, client, key, RECORD)
  debug.traceback(tostring(key))
  return key:equals(key) and key ~= RECORD
end

local function limits_of(last)
  if last and given.timeout then return { timeout = tonumber(given.timeout), retries = 0 } end
end

-- An event loop, as far as a client can tell.
local loop = { ends = math.huge }

function loop.wait(fd, seconds)
  seconds = math.min(seconds, 0.05)
  if core.monotonic() > loop.ends then error("the loop has ended") end
  if fd then return process.ready(fd, seconds) end
  return core.sleep(seconds)
end

-- A step that raises is an error of its own.
local function run(step, last)
  if last and given.wait == "raise" then loop.ends = core.monotonic() + 0.2 end
  local ok, value, err = pcall(steps[step], limits_of(last))
  checkpoint(step, not ok and "raised" or value and "ok" or err.kind)
end

-- The run -----------------------------------------------------------------------------------------

local function finish()
  client:close()
  checkpoint("close", "ok")
  for _, secret in ipairs { key, credential or nil } do
    if type(secret) == "userdata" then secret:wipe() end
  end
  checkpoint("wipe", "ok")
end

key = take(given.secretKey)
credential = given.apiKey or given.token
credential = credential and take(credential)
client = assert(secrets.new {
  base_url = given.url,
  ca_file = given.ca_file,
  api_key = given.apiKey and credential,
  access_token = not given.apiKey and credential or nil,
  ignore_env = credential ~= nil,
  retries = 1,
  wait = given.wait and loop.wait,
})
local names = {}
for name in given.steps:gmatch("[^,]+") do
  names[#names + 1] = name
end
for position, name in ipairs(names) do
  run(name, position == #names)
end
if given.ending ~= "collect" then finish() end
key, credential, client = nil, nil, nil
collectgarbage("restart")
collectgarbage()
collectgarbage()
checkpoint("collect", "ok")
