-- Points in time as RFC 3339 text (https://www.rfc-editor.org/rfc/rfc3339) and as seconds since
-- 1970-01-01T00:00:00Z, independent of the machine's time zone.

local time = {}

local SECONDS_A_DAY = 86400
local EARLIEST = -62167219200 -- 0000-01-01T00:00:00Z
local LATEST = 253402300799.9995 -- what rounds to the end of year 9999

local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

-- Days before a year, counted from the year 0.
local function days_before(year)
  local last = year - 1
  return year * 365 + math.floor(last / 4) - math.floor(last / 100) + math.floor(last / 400) + 1
end

local EPOCH_DAY = days_before(1970)

local function month_length(year, month)
  return month == 2 and is_leap(year) and 29 or MONTH_DAYS[month]
end

local function day_number(year, month, day)
  local days = days_before(year) - EPOCH_DAY + day - 1
  for before = 1, month - 1 do
    days = days + month_length(year, before)
  end
  return days
end

---@return number? seconds the zone's distance from UTC; nil when malformed
local function zone_offset(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):(%d%d)$")
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then return nil end
  local seconds = tonumber(hours) * 3600 + tonumber(minutes) * 60
  return sign == "-" and -seconds or seconds
end

---Reads a timestamp such as 2025-12-29T18:02:27.140Z or 2025-12-29T19:02:27+01:00.
---@param text string
---@return number? seconds since 1970; nil when it is no RFC 3339 timestamp
function time.parse(text)
  local year, month, day, hour, minute, second, fraction, zone =
    text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(%.?%d*)(.+)$")
  if not year or fraction == "." or (fraction ~= "" and fraction:sub(1, 1) ~= ".") then
    return nil
  end
  local offset = zone_offset(zone)
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if not offset or month < 1 or month > 12 or day < 1 or day > month_length(year, month) then
    return nil
  end
  -- 60 is a leap second.
  if hour > 23 or minute > 59 or second > 60 then return nil end
  local seconds = day_number(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second
  -- By whole numbers: how a fraction is read depends on the locale in Lua 5.1.
  local digits = fraction:sub(2, 10)
  if digits ~= "" then seconds = seconds + tonumber(digits) / 10 ^ #digits end
  return seconds - offset
end

local function year_of(days)
  local year = math.floor((days + EPOCH_DAY) / 365.2425)
  while day_number(year + 1, 1, 1) <= days do
    year = year + 1
  end
  while day_number(year, 1, 1) > days do
    year = year - 1
  end
  return year
end

---Writes a point in time in UTC, with milliseconds when they are not zero.
---@param seconds number since 1970, within the years 0 to 9999
---@return string? text nil when it is outside
function time.format(seconds)
  if not (seconds >= EARLIEST and seconds < LATEST) then return nil end
  local milliseconds = math.floor(seconds * 1000 + 0.5)
  local whole = math.floor(milliseconds / 1000)
  milliseconds = milliseconds - whole * 1000
  local days = math.floor(whole / SECONDS_A_DAY)
  local rest = whole - days * SECONDS_A_DAY
  local year = year_of(days)
  local day, month = days - day_number(year, 1, 1) + 1, 1
  while day > month_length(year, month) do
    day, month = day - month_length(year, month), month + 1
  end
  local text = ("%04d-%02d-%02dT%02d:%02d:%02d"):format(year, month, day, math.floor(rest / 3600),
    math.floor(rest / 60) % 60, rest % 60)
  if milliseconds > 0 then text = text .. (".%03d"):format(milliseconds) end
  return text .. "Z"
end

return time
