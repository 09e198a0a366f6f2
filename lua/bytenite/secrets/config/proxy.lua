-- Proxies: where they are named, and which names are good.

local core = require "bytenite.secrets.core"
local environment = require "bytenite.secrets.config.environment"

local VARIABLES = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" }

local SCHEMES =
  { http = true, https = true, socks4 = true, socks4a = true, socks5 = true, socks5h = true }

local proxy = {}

---The proxy that the usual variables name, for a service on another machine.
---@param base_url string
---@return string? url
---@return string? name of the variable
---@return string? no_proxy hosts that are reached without it
function proxy.from_environment(base_url)
  if core.is_loopback(base_url) then return nil end
  for _, name in ipairs(VARIABLES) do
    local url = environment.get(name)
    if url then return url, name, environment.get("no_proxy") or environment.get("NO_PROXY") end
  end
end

-- Without what ends a login in a URL, and without control characters, also as escapes.
local function is_login(text)
  return not text:find("[%c%s/?#@\\]") and not text:find("%%[01]%x")
end

-- A host, and a port if there is one.
local function is_address(text)
  local rest = text:match("^[%w._-]+(.*)$") or text:match("^%[[%x:.]+%](.*)$")
  if not rest then return false end
  local port = rest:match("^:(%d%d?%d?%d?%d?)/?$")
  if port then return tonumber(port) >= 1 and tonumber(port) <= 65535 end
  return rest == "" or rest == "/"
end

---Whether a text names a proxy beyond doubt. libcurl quotes one that it cannot read in its error,
---password included, and goes without some others, so it only gets to see what is accepted here.
---@param text string
---@return boolean
function proxy.is_valid(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.*)$")
  if scheme and not SCHEMES[scheme:lower()] then return false end
  rest = rest or text
  local login, address = rest:match("^(.*)@(.*)$")
  return (not login or is_login(login)) and is_address(address or rest)
end

---A proxy fit to be shown: without user name and password.
---@param url string
---@return string
function proxy.without_login(url)
  local scheme = url:match("^%a[%w+.-]*://") or ""
  return scheme .. url:sub(#scheme + 1):gsub("^.*@", "")
end

return proxy
