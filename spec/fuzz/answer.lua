-- What must hold for all that an answer from outside can lead to: a value of the right shape, or
-- facts that become an Error, neither with a credential in a text.

local failure = require "bytenite.secrets.call.failure"
local core = require "bytenite.secrets.core"

local PART_LENGTH = 8

local function set(names)
  local members = {}
  for name in names:gmatch("%S+") do
    members[name] = true
  end
  return members
end

local REASONS = set "curl incomplete limit encoded memory status form refused"
local FACTS =
  set "reason detail curl sends status retry_after code description requestId words"
local KINDS = set [[unauthorized forbidden not_found conflict rejected rate_limited unavailable
  server timeout network tls protocol memory]]

local function is_integer(value, low, high)
  return math.type(value) == "integer" and value >= low and value <= high
end

-- No part of a credential that is long enough to be of use.
local function is_clean(text, credential)
  for from = 1, #credential - PART_LENGTH + 1 do
    if text:find(credential:sub(from, from + PART_LENGTH - 1), 1, true) then return false end
  end
  return true
end

local function check_texts(fields, token, secret)
  for name, value in pairs(fields) do
    if type(value) == "string" then
      assert(is_clean(value, token), name)
      assert(is_clean(value, secret), name)
    end
  end
end

-- The marks by which empty arrays pass lua-cjson are taken off again.
local function check_unmarked(value, mark)
  if type(value) == "string" then
    assert(not value:find(mark, 1, true), "a mark was left")
  elseif type(value) == "table" then
    for name, inner in pairs(value) do
      check_unmarked(name, mark)
      check_unmarked(inner, mark)
    end
  end
end

local function check_list(list)
  assert(getmetatable(list) == nil)
  local count = 0
  for index, record in pairs(list) do
    count = count + 1
    assert(is_integer(index, 1, #list))
    assert(type(record) == "table" and getmetatable(record) == nil)
    assert(record.secretKey == nil)
    for name, value in pairs(record) do
      assert(type(name) == "string" and value ~= core.null)
    end
  end
  assert(count == #list)
end

local function check_receipt(receipt)
  assert(receipt.ok == true)
  for name, value in pairs(receipt) do
    assert(name == "ok" or (name == "requestId" or name == "message") and type(value) == "string")
  end
end

local function check_token(lifetime, scope)
  assert(is_integer(lifetime, 0, 1000000000))
  assert(utf8.len(scope))
end

local function check_facts(facts)
  for name in pairs(facts) do
    assert(FACTS[name], name)
  end
  local status = facts.status
  assert(REASONS[facts.reason], facts.reason)
  assert(is_integer(facts.sends, 0, 1))
  assert(status == nil or is_integer(status, 1, math.maxinteger))
  assert(facts.retry_after == nil or is_integer(facts.retry_after, 1, math.maxinteger))
  assert(facts.code == nil or is_integer(facts.code, -1000000000, 1000000000))
  assert((facts.reason == "curl") == (facts.curl ~= nil))
  assert(facts.words == nil or facts.words == "envelope" or facts.words == "grpc")
  if facts.reason == "status" then assert(status >= 300) end
  if facts.reason == "form" or facts.reason == "refused" then
    assert(status >= 200 and status <= 299)
  end
end

local function check_error(facts, token, secret)
  local totals = { attempts = 1, sends = facts.sends, ambiguous = false }
  local err = failure.new("list", facts, totals)
  assert(KINDS[err.kind], err.kind)
  assert(#err.message <= 512)
  for _, name in ipairs { "message", "description", "requestId", "cause" } do
    local text = err[name]
    assert(text == nil or (utf8.len(text) and not text:find("%c")), name)
  end
  check_texts(err, token, secret)
  check_texts({ tostring(err) }, token, secret)
end

return function(mark)
  return function(operation, token, secret, value, second, third)
    check_unmarked(value, mark)
    check_unmarked(second, mark)
    if value == nil then
      check_facts(second)
      check_texts(second, token, secret)
      check_error(second, token, secret)
    elseif operation == "l" then
      check_list(value)
    elseif operation == "d" then
      check_receipt(value)
      check_texts(value, token, secret)
    else
      check_token(second, third)
    end
  end
end
