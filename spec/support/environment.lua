-- Environment variables of a test, all put back after it:
--
--   before_each(environment.clear)     the module's variables and the proxy ones are unset
--   environment.set { NAME = "value" } false removes a variable
--   after_each(environment.restore)
--   environment.is_watched()           whether a sanitizer or valgrind looks on

local process = require "process"

local OURS = {
  "BYTENITE_API_KEY", "BYTENITE_API_KEY_FILE", "BYTENITE_ACCESS_TOKEN", "BYTENITE_BASE_URL",
  "BYTENITE_TIMEOUT", "BYTENITE_DEADLINE", "BYTENITE_RETRIES", "BYTENITE_CA_FILE",
  "BYTENITE_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy",
  "ALL_PROXY", "no_proxy", "NO_PROXY",
}

local environment = {}

local before = {} -- what each changed variable was; false when it was not set

function environment.set(variables)
  for name, value in pairs(variables) do
    if before[name] == nil then before[name] = os.getenv(name) or false end
    process.setenv(name, value or nil)
  end
end

function environment.clear()
  for _, name in ipairs(OURS) do
    environment.set { [name] = false }
  end
end

function environment.restore()
  for name, value in pairs(before) do
    process.setenv(name, value or nil)
  end
  before = {}
end

function environment.is_watched()
  local preload = os.getenv("LD_PRELOAD") or ""
  return preload:find("libasan", 1, true) ~= nil or preload:find("valgrind", 1, true) ~= nil
end

return environment
