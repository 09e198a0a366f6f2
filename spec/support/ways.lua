-- The two ways in which a client waits, for what has to hold in both:
--
--   for _, way in ipairs(ways) do
--     describe("something " .. way.name, function()
--       before_each(function() host = way.open() end)
--
--   host.wait              for option wait
--   host:call(f, ...)      calls f as this host calls its functions
--   host:sleep(seconds)    within such a function

local event_loop = require "event_loop"
local socket = require "socket"

local Blocking = {}
Blocking.__index = Blocking

function Blocking.call(_, f, ...)
  return f(...)
end

function Blocking.sleep(_, seconds)
  socket.sleep(seconds)
end

local ways = {
  {
    name = "by blocking",
    open = function() return setmetatable({}, Blocking) end,
  },
  event_loop.works and { name = "in an event loop", open = event_loop.new } or nil,
}

return ways
