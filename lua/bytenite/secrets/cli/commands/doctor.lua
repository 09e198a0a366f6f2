local config = require "bytenite.secrets.config"
local core = require "bytenite.secrets.core"
local exit = require "bytenite.secrets.cli.exit"
local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local secrets = require "bytenite.secrets"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"

local CLOCK_TOLERANCE = 30 -- seconds

-- Failures that show that the service was not reached, and that it was, but not with this key.
local NOT_REACHED = { network = true, tls = true, timeout = true, protocol = true }
local REFUSED = { unauthorized = true, forbidden = true }

local doctor = {
  summary = "Show settings, versions and whether the service answers.",
  description = "Show each setting with where it comes from, versions, how secrets are protected "
    .. "here, and whether the service can be reached, accepts the credential and agrees on the "
    .. "time. No secret is shown. The exit code is that of what fails.",
  examples = { "bytenite-secrets doctor --json > report.json" },
}

function doctor.define(command)
  command:flag("--json", "Write JSON.")
end

-- Finding out -------------------------------------------------------------------------------------

-- Facts that are not known are null, so that the names are always there.
local function or_null(value)
  if value == nil then return secrets.null end
  return value
end

-- The options are all this program's own.
local function settings_of(client)
  local settings = {}
  for name, setting in pairs(client:describe()) do
    if setting.source ~= "option" then
      settings[name] = {
        value = or_null(setting.value),
        source = setting.source,
        variable = or_null(config.variable(client.settings, name)),
      }
    end
  end
  return settings
end

local function proxy_of(client)
  local url = client:describe().proxy.value
  if not url or url == "" then return nil end
  return { url = url, except = or_null(client.settings.no_proxy) }
end

local function ca_store_of(client)
  local settings = client:describe()
  return settings.ca_file.value or settings.ca_path.value or core.ca_store()
end

---@return number? seconds that this machine's clock is ahead
local function clock_offset(client)
  local date, arrived = client.core:server_date()
  return date and os.time() - (core.monotonic() - arrived) - date
end

local function reach(client)
  local started = core.monotonic()
  local list, err = client:list()
  local reached, accepted = list ~= nil or not NOT_REACHED[err.kind], nil
  if list then
    accepted = true
  elseif REFUSED[err.kind] then
    accepted = false
  end
  return reached, accepted, core.monotonic() - started, err
end

-- Without a credential the service can still be reached, and refuses.
local function examine(client, with_credential, found)
  local reached, accepted, seconds, err = reach(client)
  if not with_credential then accepted = nil end
  found.settings = settings_of(client)
  found.proxy = or_null(proxy_of(client))
  found.ca_store = or_null(ca_store_of(client))
  found.service = {
    reached = reached,
    seconds = seconds,
    problem = or_null(not reached and err.message or nil),
  }
  found.credential = { found = with_credential, accepted = or_null(accepted) }
  found.clock = { ahead = or_null(clock_offset(client)) }
  client:close()
  return err
end

local function find_out()
  local info = secrets.info()
  local found = {
    versions = {
      version = info.version, lua = info.lua, libcurl = info.libcurl, tls = info.tls,
      cjson = info.cjson,
    },
    hygiene = {
      scrub = info.scrub, memory_lock = info.memory_lock, warnings = json.array(info.warnings),
    },
    settings = secrets.null, proxy = secrets.null, ca_store = secrets.null,
    service = secrets.null, credential = secrets.null, clock = secrets.null,
  }
  local client, err = service.open()
  if client then
    err = examine(client, true, found)
  else
    local stand_in = secrets.new { access_token = "none" }
    if stand_in then examine(stand_in, false, found) end
  end
  found.error = or_null(err and { kind = err.kind, message = err.message })
  return found, err
end

-- Showing it --------------------------------------------------------------------------------------

local function line(name, words, colour)
  output.line(("%-18s %s"):format(name, terminal.paint(text.clean(words), colour,
    terminal.STDOUT)))
end

local function is_known(value)
  return value ~= secrets.null
end

local function verdict(name, good, yes, no)
  if not is_known(good) then return line(name, "not known", "yellow") end
  line(name, good and yes or no, good and "green" or "red")
end

local function show_settings(settings)
  local names = {}
  for name, setting in pairs(settings) do
    if is_known(setting.value) then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local setting = settings[name]
    line(name, ("%s (%s)"):format(json.words(setting.value),
      is_known(setting.variable) and setting.variable or setting.source))
  end
end

local function show_network(found)
  if is_known(found.proxy) then
    local except = found.proxy.except
    line("proxy in effect", found.proxy.url .. (is_known(except) and ", not for " .. except or ""))
  else
    line("proxy in effect", "none")
  end
  line("CA store", is_known(found.ca_store) and found.ca_store or "the TLS library's")
end

local function show_clock(ahead)
  if not is_known(ahead) then return line("clock", "not known", "yellow") end
  local far = math.abs(ahead) > CLOCK_TOLERANCE
  line("clock", ("%+.0f s from the service's"):format(ahead), far and "red" or "green")
end

local function show_service(found)
  verdict("service", found.service.reached,
    ("reached in %.2f s"):format(found.service.seconds),
    "not reached: " .. json.words(found.service.problem))
  if found.credential.found then
    verdict("credential", found.credential.accepted, "accepted", "refused")
  else
    line("credential", "none", "red")
  end
  show_clock(found.clock.ahead)
end

local function show(found)
  for _, name in ipairs { "version", "lua", "libcurl", "tls", "cjson" } do
    line(name, found.versions[name])
  end
  verdict("memory is wiped", found.hygiene.scrub, "yes", "no")
  verdict("memory is locked", found.hygiene.memory_lock, "yes", "no")
  for _, warning in ipairs(found.hygiene.warnings) do
    line("warning", warning, "yellow")
  end
  if not is_known(found.settings) then return end
  show_settings(found.settings)
  show_network(found)
  show_service(found)
end

-- Without the advice to run this.
local function words_of(err)
  return (exit.words_of(err):gsub(": bytenite%-secrets doctor", ""))
end

function doctor.run(options)
  local found, err = find_out()
  if options.json then
    output.line(json.encode(found))
  else
    show(found)
  end
  output.flush()
  if err then exit.fail(exit.code_of(err), words_of(err)) end
end

return doctor
