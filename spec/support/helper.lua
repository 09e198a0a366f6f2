-- Loaded before the specs: a full collection after each test, so that what a test left behind is
-- released while that test is still to blame.

local busted = require "busted"

busted.subscribe({ "test", "end" }, function()
  collectgarbage()
  collectgarbage()
end)
