-- Points in time as people write and read them: 14d, 2026-01-31, "in 12 days".

local secrets = require "bytenite.secrets"
local time = require "bytenite.secrets.time"

local SECONDS = { s = 1, m = 60, h = 3600, d = 86400, w = 7 * 86400 }
local SOON = 14 * SECONDS.d

-- A unit is used from this many of it.
local UNITS = { { 2 * SECONDS.d, SECONDS.d, "days" }, { 2 * SECONDS.h, SECONDS.h, "hours" },
  { 0, SECONDS.m, "minutes" } }

local expiry = {}

---Reads a length of time such as 14d, 12h or 30m.
---@param text string
---@return number? seconds
---@return string? problem
function expiry.duration(text)
  local count, unit = text:match("^(%d+)([smhdw])$")
  if not count or #count > 6 then
    return nil, "a length of time is a number and one of s, m, h, d, w, such as 14d"
  end
  return tonumber(count) * SECONDS[unit]
end

---Reads a point in time: a length of time from now, a date, or an RFC 3339 timestamp.
---@param text string
---@return string? timestamp as expiresAt takes it
---@return string? problem
function expiry.moment(text)
  local seconds = expiry.duration(text)
  if seconds then
    local moment = time.format(os.time() + seconds)
    if moment then return moment end
    return nil, "a time is before the year 10000"
  end
  if text:find("^%d%d%d%d%-%d%d%-%d%d$") then text = text .. "T00:00:00Z" end
  if text ~= "" and secrets.expires_in({ expiresAt = text }) then return text end
  return nil, "a time is a length of time from now such as 90d, a date such as 2030-01-31, or an "
    .. "RFC 3339 timestamp"
end

local function distance(seconds)
  for _, unit in ipairs(UNITS) do
    if seconds >= unit[1] then return ("%d %s"):format(math.floor(seconds / unit[2]), unit[3]) end
  end
end

---When a record expires, in words.
---@param secret bytenite.secrets.Secret
---@param now number
---@return string words such as "in 12 days"; "" when it never does
---@return "red"|"yellow"|nil colour for what has expired, or does so soon
---@return string? date in UTC
function expiry.words(secret, now)
  local seconds, err = secrets.expires_in(secret, now)
  if err then return "not a time", "red" end
  if not seconds then return "" end
  local date = secrets.timestamp(now + seconds):match("^[^T]+")
  if seconds <= 0 then return ("EXPIRED %s ago"):format(distance(-seconds)), "red", date end
  return "in " .. distance(seconds), seconds <= SOON and "yellow" or nil, date
end

return expiry
