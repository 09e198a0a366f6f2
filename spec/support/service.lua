-- What a test starts and opens, all released after it, the latest first:
--
--   service.start(options?)           an emulator, from now on `service.emulator`
--   service.open(options?, defaults?) a client of it, apart from the environment
--   service.fail(op?, fault)          makes its next requests of that operation fail
--   service.keep(object, ...)         anything else with `close` or `stop`; returns its arguments
--   after_each(service.release)

local emulators = require "bytenite.secrets.emulator"
local secrets = require "bytenite.secrets"

local service = {}

local kept = {}

function service.keep(object, ...)
  if object then kept[#kept + 1] = object end
  return object, ...
end

function service.start(options)
  service.emulator = service.keep(assert(emulators.start(options)))
  return service.emulator
end

function service.open(options, defaults)
  local all = { ignore_env = true }
  for _, given in ipairs { defaults or {}, options or {} } do
    for name, value in pairs(given) do
      all[name] = value
    end
  end
  all.base_url = all.base_url or service.emulator.url
  if not all.access_token then all.api_key = all.api_key or service.emulator.api_key end
  return service.keep(assert(secrets.new(all)))
end

function service.fail(op, fault)
  fault.op = op
  service.emulator:fail(fault)
end

function service.release()
  for position = #kept, 1, -1 do
    local object = kept[position];
    (object.close or object.stop)(object)
  end
  kept, service.emulator = {}, nil
end

return service
