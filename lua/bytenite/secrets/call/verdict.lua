-- What the failure of an exchange means, decided once for each attempt. README.md has the same
-- tables in words.

-- libcurl's codes (https://curl.se/libcurl/c/libcurl-errors.html); all others are "network".
local CURL_KINDS = {
  [1] = "protocol", -- an unsupported protocol in the answer
  [8] = "protocol", -- a header that is none
  [23] = "protocol",
  [28] = "timeout",
  [35] = "tls", -- the handshake failed without a verdict on the certificate
  [42] = "cancelled",
  [53] = "tls",
  [54] = "tls",
  [58] = "tls", -- the client's own certificate
  [59] = "tls",
  [60] = "tls", -- the server's certificate
  [61] = "protocol",
  [64] = "tls",
  [66] = "tls",
  [77] = "tls", -- no CA certificates
  [80] = "tls",
  [82] = "tls",
  [83] = "tls",
  [90] = "tls",
  [91] = "tls",
  [98] = "tls",
  [100] = "protocol", -- a proxy's headers without end
}
local CURL_HANDSHAKE = 35

local STATUS_KINDS = {
  [401] = "unauthorized",
  [403] = "forbidden",
  [404] = "not_found",
  [408] = "timeout",
  [409] = "conflict",
  [412] = "conflict",
  [429] = "rate_limited",
  [502] = "unavailable",
  [503] = "unavailable",
  [504] = "unavailable",
}

-- Under 200: HTTP's codes and gRPC's.
local REFUSAL_KINDS = {
  [401] = "unauthorized",
  [16] = "unauthorized",
  [403] = "forbidden",
  [7] = "forbidden",
  [404] = "not_found",
  [5] = "not_found",
}

local RETRYABLE_STATUS =
  { [408] = true, [429] = true, [500] = true, [502] = true, [503] = true, [504] = true }

local RETRYABLE_KINDS = { timeout = true, network = true, cancelled = true }

-- A call does not try again by itself after these, although the caller may.
local NEVER_AGAIN = { memory = true, cancelled = true }

-- Statuses after which a write may have been applied all the same.
local AMBIGUOUS_STATUS = { [500] = true, [502] = true, [504] = true }

local function kind_of_status(status)
  if STATUS_KINDS[status] then return STATUS_KINDS[status] end
  if status >= 400 and status < 500 then return "rejected" end
  if status >= 500 and status < 600 then return "server" end
  return "protocol"
end

-- True if a failure says "not found" in words that are not the service's own. A router, a proxy or
-- a web firewall may have written them, so they tell nothing about a secret.
local function is_doubtful(facts)
  local kind
  if facts.reason == "status" then kind = STATUS_KINDS[facts.status] end
  if facts.reason == "refused" then kind = REFUSAL_KINDS[facts.code] end
  return kind == "not_found" and facts.words == nil
end

-- A TLS handshake failed without a verdict on the certificate.
local function is_handshake(facts)
  return facts.reason == "curl" and facts.curl == CURL_HANDSHAKE
end

-- Each returns kind, retryable, ambiguous. By the reason of the facts; a reason that is not here is
-- a whole answer of the wrong form, or too large a one.
local BY_REASON = {}

function BY_REASON.status(facts)
  local status = facts.status
  return kind_of_status(status), RETRYABLE_STATUS[status] or false,
    AMBIGUOUS_STATUS[status] or status < 200 or status > 599
end

function BY_REASON.refused(facts)
  return REFUSAL_KINDS[facts.code] or "rejected", false, false
end

function BY_REASON.invalid()
  return "invalid", false, false
end

function BY_REASON.deadline()
  return "timeout", true, false
end

function BY_REASON.incomplete()
  return "protocol", true, true
end

function BY_REASON.memory(_, sent)
  return "memory", true, sent
end

function BY_REASON.cancelled(_, sent)
  return "cancelled", true, sent
end

function BY_REASON.curl(facts, sent)
  local kind = CURL_KINDS[facts.curl] or "network"
  -- The first of two sends may have gone to a server that died before the second could.
  if kind == "tls" then return kind, is_handshake(facts), sent end
  return kind, RETRYABLE_KINDS[kind] or false, sent
end

local function of_form()
  return "protocol", false, true
end

---@class bytenite.secrets.Verdict
---@field kind bytenite.secrets.ErrorKind
---@field retryable boolean the same call may work later
---@field ambiguous boolean a write may have been applied
---@field again boolean the call should try once more by itself
---@field handshake boolean a TLS handshake failed without a verdict on the certificate
---@field doubtful boolean "not found", but not in the service's own words

---Judges the facts of a failed exchange (see src/core/facts.h).
---@param facts table
---@return bytenite.secrets.Verdict
local function verdict_of(facts)
  local doubtful = is_doubtful(facts)
  local kind, retryable, ambiguous
  if doubtful then
    kind, retryable, ambiguous = "protocol", false, false
  else
    local judge = BY_REASON[facts.reason] or of_form
    kind, retryable, ambiguous = judge(facts, (facts.sends or 0) > 0)
  end
  return {
    kind = kind,
    retryable = retryable,
    ambiguous = ambiguous,
    again = retryable and not NEVER_AGAIN[kind],
    handshake = is_handshake(facts),
    doubtful = doubtful,
  }
end

return { of = verdict_of }
