-- What this build consists of, which protection of secrets is in force, and what weakens it.

local arguments = require "bytenite.secrets.arguments"
local core = require "bytenite.secrets.core"
local environment = require "bytenite.secrets.config.environment"

---@class bytenite.secrets.Info
---@field version string of this module
---@field lua string such as "Lua 5.4"
---@field libcurl string version
---@field tls string the TLS library of libcurl, with its version
---@field cjson string version
---@field scrub boolean whether libcurl wipes memory before it frees it
---@field memory_lock boolean whether pages can be kept out of swap space
---@field warnings string[] what weakens the protection of secrets, a sentence each

local NOT_WIPED = "libcurl frees memory that held secrets without wiping it: "

local SCRUBBING_WARNINGS = {
  ["switched off"] = NOT_WIPED .. "BYTENITE_SECRETS_SCRUB is 0",
  ["unsupported"] = NOT_WIPED .. "the allocator of this process does not tell the size of a block",
  ["too late"] = NOT_WIPED .. "another part of this process was the first to initialise libcurl; "
    .. "require bytenite.secrets before it",
}

local NO_LOCK = "memory cannot be locked, so secrets may be written to swap space: raise the limit "
  .. "RLIMIT_MEMLOCK (ulimit -l)"

local DUMPED = "memory cannot be kept out of core dumps, which would then hold secrets: "
  .. "ulimit -c 0 switches them off"

local NO_ASYNC_DNS = "this libcurl was built without AsynchDNS: a DNS server that hangs holds a "
  .. "call up beyond its deadline"

local KEY_LOG = "SSLKEYLOGFILE is set: libcurl writes the keys of TLS connections there, with "
  .. "which recorded traffic can be read"

local function warnings(facts)
  local found = { SCRUBBING_WARNINGS[facts.scrubbing] }
  if not facts.memory_lock then found[#found + 1] = NO_LOCK end
  if not facts.undumped then found[#found + 1] = DUMPED end
  if not facts.async_dns then found[#found + 1] = NO_ASYNC_DNS end
  if environment.is_set("SSLKEYLOGFILE") then found[#found + 1] = KEY_LOG end
  return found
end

local info = {}

---What this build consists of, and how well it protects secrets here and now.
---@return bytenite.secrets.Info
function info.read(...)
  arguments.no_more("info", ...)
  local facts = core.info()
  local jit = rawget(_G, "jit")
  return {
    version = core.version,
    lua = jit and jit.version or _VERSION,
    libcurl = facts.libcurl,
    tls = facts.tls,
    cjson = facts.cjson,
    scrub = facts.scrubbing == "in force",
    memory_lock = facts.memory_lock,
    warnings = warnings(facts),
  }
end

return info
