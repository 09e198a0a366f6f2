-- The client of a command: made of the environment, and telling people what they wait for.

local core = require "bytenite.secrets.core"
local exit = require "bytenite.secrets.cli.exit"
local secrets = require "bytenite.secrets"
local terminal = require "bytenite.secrets.cli.terminal"

local LONG = 2 -- seconds without news after which people are told what they wait for

-- Option `wait` needs a Lua that yields across pcall.
local CAN_WAIT = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

-- Announcing waits --------------------------------------------------------------------------------

-- A command has one client, which makes one call at a time.
local since -- when the wait for an answer began; nil when there is none
local announced = false

-- Something happened: the next wait is another one.
local function on_event(event)
  since, announced = nil, false
  if event.event == "retry" and event.wait > LONG then
    announced = true
    terminal.note(("%s: waiting %.0f s before attempt %d"):format(event.op, event.wait,
      event.attempt + 1))
  end
end

local function wait(fd, seconds)
  local now = core.monotonic()
  since = since or now
  local until_long = math.max(0, since + LONG - now)
  if announced or seconds <= until_long then
    terminal.wait(fd, seconds)
  elseif not terminal.wait(fd, until_long) then
    announced = true
    terminal.note("waiting for the service")
    terminal.wait(fd, seconds - until_long)
  end
end

-- The client --------------------------------------------------------------------------------------

local service = {}

---@return bytenite.secrets.Client?
---@return bytenite.secrets.Error? err
function service.open()
  local options = {
    app = { name = "bytenite-secrets", version = secrets._VERSION },
    on_event = on_event,
    wait = CAN_WAIT and wait or nil,
  }
  local client, err = secrets.new(options)
  if client or not CAN_WAIT then return client, err end
  options.wait = nil -- not every system has what it needs
  return secrets.new(options)
end

---Whether an answer is waited for.
---@return boolean
function service.is_awaited()
  return since ~= nil
end

---As open, but ends the command when there is no usable configuration.
---@return bytenite.secrets.Client
function service.client()
  return exit.check(service.open())
end

return service
