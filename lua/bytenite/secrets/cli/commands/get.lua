local expiry = require "bytenite.secrets.cli.expiry"
local exit = require "bytenite.secrets.cli.exit"
local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local service = require "bytenite.secrets.cli.service"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"
local values = require "bytenite.secrets.cli.values"

local FIRST = { "secretType", "id", "name", "accessKey", "expiresAt", "params" }

local get = {
  summary = "Show one secret; its key cannot be read.",
  examples = { "bytenite-secrets get s3/my_key --json" },
}

function get.define(command)
  command:argument("secret", "Its type and id."):argname("TYPE/ID"):convert(values.address)
  command:flag("--json", "Write JSON.")
end

-- The known fields in their order, then the others in theirs.
local function names_of(secret)
  local names, known = {}, {}
  for _, name in ipairs(FIRST) do
    known[name] = true
    if secret[name] ~= nil then names[#names + 1] = name end
  end
  local others = {}
  for name in pairs(secret) do
    if not known[name] then others[#others + 1] = name end
  end
  table.sort(others)
  for _, name in ipairs(others) do
    names[#names + 1] = name
  end
  return names
end

local function words_of(secret, name)
  local words = text.clean(json.words(secret[name]))
  if terminal.is(terminal.STDOUT) then words = text.isolate(words) end
  if name ~= "expiresAt" then return words end
  local left, colour = expiry.words(secret, os.time())
  if left == "" then return words end
  return ("%s (%s)"):format(words, terminal.paint(left, colour, terminal.STDOUT))
end

function get.run(options)
  local address = options.secret
  local secret = exit.check(service.client():get(address.secretType, address.id))
  if options.json then
    output.line(json.encode(secret))
    return
  end
  for _, name in ipairs(names_of(secret)) do
    output.line(("%-11s %s"):format(text.clean(name), words_of(secret, name)))
  end
end

return get
