-- What arguments stand for: each function takes the word and returns its value, or nil and what is
-- wrong with it. Words are not repeated in messages: one of them may be a key in the wrong place.

local exit = require "bytenite.secrets.cli.exit"
local expiry = require "bytenite.secrets.cli.expiry"

local secrets = require "bytenite.secrets"

local values = { duration = expiry.duration, moment = expiry.moment }

-- In a TYPE, what would end it is written as in a URL.
local ESCAPES = { ["%2F"] = "/", ["%2f"] = "/", ["%3A"] = ":", ["%3a"] = ":", ["%25"] = "%" }

local function address_of(word, id)
  local address = { secretType = word:gsub("%%%x%x", ESCAPES), id = id }
  local ok, err = secrets.validate(address)
  if not ok then return nil, exit.message_of(err) end
  return address
end

---TYPE/ID; the id may hold further slashes.
---@param word string
---@return { secretType: string, id: string }?
---@return string? problem
function values.address(word)
  local secret_type, id = word:match("^([^/]+)/(.+)$")
  if not id then return nil, "a secret is named as TYPE/ID, such as s3/my_key" end
  return address_of(secret_type, id)
end

---TYPE
---@param word string
---@return string? secretType
---@return string? problem
function values.secret_type(word)
  local address, problem = address_of(word, "any")
  return address and address.secretType, problem
end

---NAME=VALUE
---@param word string
---@return { name: string, value: string }?
---@return string? problem
function values.param(word)
  local name, value = word:match("^([^=]+)=(.*)$")
  if not name then return nil, "--param takes NAME=VALUE" end
  return { name = name, value = value }
end

-- As in a shell: * is any text, ? one character.
local function pattern_of(glob)
  return "^" .. glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*")
    :gsub("%?", "[^\128-\191][\128-\191]*") .. "$"
end

---TYPE or TYPE:GLOB
---@param word string
---@return bytenite.secrets.Prune?
---@return string? problem
function values.prune(word)
  local secret_type, glob = word:match("^([^:]+):(.+)$")
  if not secret_type then secret_type, glob = word:match("^[^:]+$"), "*" end
  if not secret_type then return nil, "--prune takes TYPE, or TYPE:GLOB such as s3:test-*" end
  local problem
  secret_type, problem = values.secret_type(secret_type)
  if not secret_type then return nil, problem end
  local pattern = pattern_of(glob)
  return { secretType = secret_type, match = function(secret)
    return secret.id:find(pattern) ~= nil
  end }
end

---@param least integer
---@param most integer
---@return fun(word: string): integer?, string?
function values.whole(least, most)
  return function(word)
    local number = word:find("^%d+$") and #word <= 9 and tonumber(word)
    if number and number >= least and number <= most then return number end
    return nil, ("a whole number from %d to %d is needed"):format(least, most)
  end
end

return values
