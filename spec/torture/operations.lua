-- What is done while something fails, and what may come of it. The harness loads this file into a
-- fresh state with a table of settings, and gets the steps of one operation:
--
--   prepare()     undisturbed: what has to be there before
--   attempt()     the operation itself, while something fails
--   judge(raised?, value, failure) -> problem?, outcome, sends?, unserved?
--                 undisturbed: looks at what the attempt returned. outcome is "done", "failed" or
--                 "raised"; sends: how many requests it says have left; unserved: whether it says
--                 that the server has done nothing
--   again()       -> problem?
--                 undisturbed: the same once more, with the same client if there is one

local settings = ...
local operation = settings.operation

-- Puts at once: "bulk" by blocking, "loop" with settings.wait.
local MANY = 3
local at_once = operation == "bulk" or operation == "loop"

-- What the server answers ------------------------------------------------------------------------

local function is_list(list)
  local first, second = list[1], list[2]
  return #list == 2 and first.id == "one" and first.expiresAt == nil and first.name == "caf\u{e9}"
    and getmetatable(first.params.none) ~= nil and next(first.params.none) == nil
    and first.params.big == 12345678901234567 and first.params.half == 0.5
    and second.params.nested.list[2][2][1] == 3 and second.params.nested.list[3] == true
    and second.ownField == "kept as it came"
end

-- Where the module's memory is short, the server's words are left out, and the receipt stays.
local function is_receipt(id)
  return function(receipt)
    local told = receipt.requestId == id or (settings.class == "module" and not receipt.requestId)
    return receipt.ok == true and told and receipt.absent == nil
  end
end

local function record(id)
  return {
    id = id,
    secretType = "s3",
    accessKey = "AKIA",
    params = { region = "eu", nested = { list = { 1, 2.5, "three" } } },
    ownField = ("as it is "):rep(40),
  }
end

local function are_receipts(receipts)
  for _, receipt in ipairs(receipts) do
    if not is_receipt("request-put")(receipt) then return false end
  end
  return #receipts == MANY
end

local RIGHT = {
  list = is_list,
  put = is_receipt("request-put"),
  delete = is_receipt("request-delete"),
  authenticate = function(answer)
    return answer.expiresIn == 3600 and answer.scope == "secrets"
  end,
  -- When libcurl has sent it twice, the first may have removed the secret.
  missing = function(receipt)
    return settings.layer == "policy" and receipt.ok == true and receipt.absent == true
  end,
  untrusted = function()
    return false
  end,
  bulk = are_receipts,
  loop = are_receipts,
}

-- Through the core --------------------------------------------------------------------------------

local core = require "bytenite.secrets.core"
local layers = { core = {}, policy = {} }

-- Of several failures the first that is not allowed, else the first.
local function worst(failures)
  local layer = layers[settings.layer]
  for _, failure in ipairs(failures) do
    if not layer.reasons[settings.class][layer.describe(failure)] then return failure end
  end
  return failures[1]
end

-- What a constructor returns in place of facts. A shortage of memory is always said to be one.
local function problem_facts(problem)
  local short = problem:find("memory is short", 1, true)
  return nil, { reason = short and "memory" or "unreadable", detail = problem, sends = 0 }
end

function layers.core.open()
  local client, problem = core.client {
    base_url = settings.url,
    ca_file = settings.ca_file,
    connect_timeout = 5,
    max_response_bytes = 1048576,
    user_agent = "torture",
    pollable = operation == "loop",
  }
  if not client then return problem_facts(problem) end
  return client
end

local function authorized(client)
  local ok, failure = client:authorize(settings.token)
  if not ok then return nil, failure end
  return client
end

local function core_put(client, id, seconds)
  local key, problem = core.secret_from_string(settings.secret_key)
  if not key then return problem_facts(problem) end
  return client:put(record(id), key, seconds)
end

-- Starts them all; whatever happens then, each of them ends. Those that did not start have failed.
local function start_puts(client, id, seconds)
  local key, problem = core.secret_from_string(settings.secret_key)
  if not key then return {}, { (select(2, problem_facts(problem))) } end
  local calls, failures = {}, {}
  for number = 1, MANY do
    local call, failure = client:put(record(id .. number), key, seconds, true)
    table.insert(call and calls or failures, call or failure)
  end
  return calls, failures
end

local function one_done(client, calls)
  if operation == "bulk" then return core.first_done(calls) or client:poll(calls, 1) end
  local fd, seconds = client:run()
  local index = core.first_done(calls)
  if not index then settings.wait(fd, seconds) end
  return index
end

local function core_many(client, id, seconds)
  local calls, failures = start_puts(client, id, seconds)
  local receipts, sends = {}, 0
  while #calls > 0 do
    local index = one_done(client, calls)
    if index then
      local receipt, detail = client:collect(table.remove(calls, index))
      table.insert(receipt and receipts or failures, receipt or detail)
      sends = sends + (receipt and detail or detail.sends)
    end
  end
  if #failures == 0 then return receipts, sends end
  local failure = worst(failures)
  failure.sends = sends
  return nil, failure
end

layers.core.run = {
  bulk = core_many,
  loop = core_many,
  list = function(client, id, seconds)
    return client:list(id, seconds)
  end,
  put = core_put,
  untrusted = core_put,
  delete = function(client, id, seconds)
    return client:delete("s3", id, seconds)
  end,
  missing = function(client, id, seconds)
    return client:delete("missing", id, seconds)
  end,
  authenticate = function(client, id, seconds)
    return client:authenticate(id .. "-key", seconds)
  end,
}

for name, run in pairs(layers.core.run) do
  layers.core.run[name] = name == "authenticate" and run or function(client, id, seconds)
    local ready, failure = authorized(client)
    if not ready then return nil, failure end
    return run(client, id, seconds)
  end
end

-- What may be said of a failure, for each class of what fails.
layers.core.reasons = {
  lua = {},
  libcurl = { memory = true, curl = true, limit = true },
  module = { memory = true },
  syscall = { memory = true, unreadable = true, curl = true },
  openssl = { memory = true, curl = true, limit = true },
}

function layers.core.describe(failure)
  return failure.reason, failure.sends, failure.sends == 0
end

-- Through bytenite.secrets ------------------------------------------------------------------------

if settings.layer == "policy" then
  local secrets = require "bytenite.secrets"
  local writes = operation ~= "list" and operation ~= "authenticate"
  local id_now

  function layers.policy.open()
    return secrets.new {
      api_key = function()
        return id_now .. "-key"
      end,
      base_url = settings.url,
      ca_file = settings.ca_file,
      ignore_env = true,
      retries = 0,
      wait = operation == "loop" and settings.wait or nil,
    }
  end

  local function policy_put(client, id, call)
    local key, failure = secrets.from_string(settings.secret_key)
    if not key then return nil, failure end
    return client:put(record(id), key, call)
  end

  -- The requests of those that succeeded are not counted.
  local function policy_many(client, id, call)
    local items, key, problem = {}, secrets.from_string(settings.secret_key)
    if not key then return nil, problem end
    for number = 1, MANY do
      items[number] = { secret = record(id .. number), secretKey = key }
    end
    local report = client:put_all(items, { concurrency = 2, deadline = call.timeout })
    local receipts, failures, sends, ambiguous = {}, {}, 0, report.done > 0
    for _, result in ipairs(report.results) do
      table.insert(result.ok and receipts or failures, result.receipt or result.err)
      sends = sends + (result.ok and 0 or result.err.sends)
      ambiguous = ambiguous or not result.ok and result.err.ambiguous
    end
    if report.ok then return receipts end
    local failure = worst(failures)
    failure.sends, failure.ambiguous = report.done == 0 and sends or nil, ambiguous
    return nil, failure
  end

  local runs = {
    bulk = policy_many,
    loop = policy_many,
    list = function(client, id, call)
      return client:list({ secretType = id }, call)
    end,
    put = policy_put,
    untrusted = policy_put,
    delete = function(client, id, call)
      return client:delete("s3", id, call)
    end,
    missing = function(client, id, call)
      return client:delete("missing", id, call)
    end,
    authenticate = function(client, _, call)
      return client:authenticate(call)
    end,
  }
  layers.policy.run = {}
  for name, run in pairs(runs) do
    layers.policy.run[name] = function(client, id, seconds)
      id_now = id
      return run(client, id, { timeout = seconds })
    end
  end

  layers.policy.reasons = {
    lua = {},
    libcurl = { memory = true, network = true, tls = true, timeout = true, protocol = true },
    module = { memory = true },
    syscall = {
      config = true, memory = true, network = true, tls = true, timeout = true, cancelled = at_once,
    },
    openssl = {
      memory = true, network = true, tls = true, timeout = true, protocol = true,
      cancelled = at_once,
    },
  }

  function layers.policy.describe(failure)
    assert(type(failure.message) == "string" and tostring(failure):find(failure.message, 1, true))
    return failure.kind, failure.sends, failure.sends == 0 or (writes and not failure.ambiguous)
  end
end

-- The steps ---------------------------------------------------------------------------------------

local layer = layers[settings.layer]
local run, is_right = layer.run[operation], RIGHT[operation]
local client, prepared

local DISTURBED, UNDISTURBED = "disturbed", "undisturbed"
local PATIENCE = 10

local function problem_of(name, value, failure)
  if value ~= nil then
    if operation == "untrusted" then return name .. ": success with the wrong CA" end
    return not is_right(value) and name .. ": success with wrong data" or nil
  end
  local reason = layer.describe(failure)
  return ("%s: %s (status %s, curl %s): %s"):format(name, reason, failure.status,
    failure.curl, failure.detail or failure.message)
end

-- Whether a failure is what the operation is meant to come to.
local function is_intended(failure)
  if operation == "missing" then return failure.status == 404 end
  return operation == "untrusted" and failure.sends == 0
    and (failure.curl == 60 or failure.kind == "tls")
end

-- How the operation ends when nothing fails.
local function undisturbed(name)
  local value, failure = run(client, UNDISTURBED, PATIENCE)
  if value == nil and is_intended(failure) then return end
  return problem_of(name, value, failure)
end

local steps = {}

function steps.prepare()
  if not settings.reused then return end
  client = assert(layer.open())
  prepared = true
  return undisturbed("prepare")
end

function steps.attempt()
  if not client then
    local failure
    client, failure = layer.open()
    if not client then return nil, failure end
  end
  return run(client, DISTURBED, settings.seconds)
end

function steps.judge(raised, value, failure) -- the core also counts the requests of a success
  if raised then
    if settings.class == "lua" and raised == "not enough memory" then return nil, "raised" end
    return "raised: " .. tostring(raised), "raised"
  end
  if value ~= nil then return problem_of("attempt", value), "done", failure end
  local reason, sends, unserved = layer.describe(failure)
  if is_intended(failure) then
    -- A 404 is an answer, for which the server has done something.
    return nil, "failed", sends, operation == "untrusted"
  end
  local allowed = layer.reasons[settings.class][reason] and not settings.harmless
  return not allowed and problem_of("attempt", nil, failure) or nil, "failed", sends, unserved
end

function steps.again()
  if not client then
    local failure
    client, failure = layer.open()
    if not client then return problem_of("again", nil, failure) end
  end
  if operation == "authenticate" and prepared and settings.layer == "core" then
    -- Whatever became of the attempt, the client still has a token that is good.
    local list, failure = client:list(UNDISTURBED, PATIENCE)
    if not list then return problem_of("again: list", nil, failure) end
  end
  return undisturbed("again")
end

return steps
