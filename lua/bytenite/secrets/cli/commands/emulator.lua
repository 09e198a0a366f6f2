local exit = require "bytenite.secrets.cli.exit"
local file = require "bytenite.secrets.cli.file"
local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local terminal = require "bytenite.secrets.cli.terminal"
local values = require "bytenite.secrets.cli.values"

local emulator = {
  summary = "Run a stand-in for the service on this machine.",
  description = "Run a stand-in for the service on this machine, until Ctrl-C. It prints what to "
    .. "paste into the shell that is to use it, and keeps everything in memory.",
  examples = { "bytenite-secrets emulator --port 8080 --seed secrets.json" },
}

function emulator.define(command)
  command:option("--port", "Any free one by default."):argname("N")
    :convert(values.whole(0, 65535))
  command:option("--seed", "Secrets to begin with, in a file as plan takes it."):argname("FILE")
  command:flag("--json", "Write JSON.")
end

local function require_emulator()
  local found, module = pcall(require, "bytenite.secrets.emulator")
  if found then return module end
  exit.pass_on(module)
  exit.fail(exit.OTHER, tostring(module))
end

-- The emulator holds its keys as plain strings; they are meant for tests.
local function seed_of(path)
  local seed = {}
  for position, entry in ipairs(path and file.read(path) or {}) do
    local key = file.key(path, entry)
    seed[position] = { secret = entry.secret, secretKey = key and key:expose() }
  end
  return seed
end

function emulator.run(options)
  local seed = seed_of(options.seed)
  local running, message = require_emulator().start { port = options.port or 0, seed = seed }
  if not running then exit.fail(exit.OTHER, message) end
  if options.json then
    output.line(json.encode({ url = running.url, apiKey = running.api_key }))
  else
    output.line("export BYTENITE_BASE_URL=" .. running.url)
    output.line("export BYTENITE_API_KEY=" .. running.api_key)
  end
  output.flush()
  terminal.remark("the emulator runs until Ctrl-C; paste the lines above into another shell")
  while true do
    terminal.wait(nil, 3600)
  end
end

return emulator
