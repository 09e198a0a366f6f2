-- Runs the emulator until it is killed; prints its URL and API key.

local core = require "bytenite.secrets.core"
local emulator = assert(require("bytenite.secrets.emulator").start())

print(emulator.url)
print(emulator.api_key)
io.stdout:flush()
while core.sleep(3600) do end
