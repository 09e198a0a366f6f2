-- The Client: every operation of the API, and what is made of them.

local apply = require "bytenite.secrets.plan.apply"
local arguments = require "bytenite.secrets.arguments"
local bulk = require "bytenite.secrets.bulk"
local bulk_items = require "bytenite.secrets.bulk.items"
local Call = require "bytenite.secrets.call"
local config = require "bytenite.secrets.config"
local core = require "bytenite.secrets.core"
local credential = require "bytenite.secrets.config.credential"
local errors = require "bytenite.secrets.errors"
local operations = require "bytenite.secrets.operations"
local plan = require "bytenite.secrets.plan"
local record = require "bytenite.secrets.record"
local retry = require "bytenite.secrets.call.retry"
local Session = require "bytenite.secrets.call.session"
local waiting = require "bytenite.secrets.call.waiting"

---@class bytenite.secrets.Limits of one call; the client's settings by default
---@field timeout number? seconds for one attempt
---@field deadline number? seconds for all of it
---@field retries integer? 0 to 10

---@class bytenite.secrets.DeleteLimits: bytenite.secrets.Limits
---@field missing_ok boolean? a secret that is not there is a success with absent = true

---@class bytenite.secrets.Receipt
---@field ok true
---@field requestId string?
---@field message string?
---@field absent true? of delete: the secret is not there, and this answer did not remove it

---@class bytenite.secrets.Client every method raises when the client is closed or an argument is of
--- a wrong type, and returns nil and an Error for whatever else goes wrong
local Client = { __name = "bytenite.secrets.Client" }
Client.__index = Client

local LIMITS = {
  timeout = arguments.seconds(),
  deadline = arguments.seconds(),
  retries = arguments.whole(0, 10),
}

local DELETE_LIMITS = {
  timeout = LIMITS.timeout,
  deadline = LIMITS.deadline,
  retries = LIMITS.retries,
  missing_ok = arguments.of_type("boolean"),
}

local check_credential = arguments.credential()

local FILTER = { secretType = arguments.of_type("string") }

-- What a client that was closed has for a core. Only a call under way can still meet it: one of
-- the functions that users give has closed the client.
local CLOSED = setmetatable({}, {
  __index = function()
    return function()
      return nil, { reason = "cancelled", sends = 0, detail = "the client was closed" }
    end
  end,
})

---Makes a client; nothing is sent yet. Raises for an option of an unknown name, a wrong type or
---out of range.
---@param options bytenite.secrets.Options?
---@return bytenite.secrets.Client?
---@return bytenite.secrets.Error? err of kind config or invalid
local function new(options, ...)
  arguments.no_more("new", ...)
  local settings, err = config.read(options)
  if not settings then return nil, err end
  local opened
  opened, err = config.open(settings)
  if not opened then return nil, err end
  local wait = settings.values.wait
  return setmetatable({
    core = opened,
    settings = settings,
    session = Session.new(settings.credential),
    budget = retry.budget(),
    on_event = settings.values.on_event,
    waiting = wait and waiting.through(wait) or waiting.blocking,
  }, Client)
end

-- Common to the methods --------------------------------------------------------------------------

local function check_client(self, name)
  if getmetatable(self) ~= Client then
    arguments.misuse(("%s: call it as client:%s(...)"):format(name, name), 1)
  end
  if self.core == CLOSED then arguments.misuse(name .. ": the client is closed", 1) end
end

local function check_address(name, secret_type, id)
  if type(secret_type) == "string" and type(id) == "string" then return end
  arguments.check_type(secret_type, "string", name .. ": secretType", 1)
  arguments.check_type(id, "string", name .. ": id", 1)
end

---@return bytenite.secrets.Error? of kind invalid
local function invalid_record(call, secret)
  local field, detail, hint = record.value_problem(secret)
  if field then return record.invalid(call:op(), field, detail, hint) end
end

-- Asking may take its time, a person's for example.
---@return bytenite.secrets.Error?
local function ask_key(call, secretKey)
  local err
  call.key, err = credential.ask(call, secretKey, "the secretKey function")
  return err
end

local function run_put(call, limits, secret, secretKey)
  call.secret = call.waiting.undisturbed and secret or record.copy(secret)
  local err = invalid_record(call, secret) or ask_key(call, secretKey)
  if err then return nil, err end
  return call:start(limits):run(operations.put)
end

-- Operations --------------------------------------------------------------------------------------

---Lists the stored records, without their keys.
---@param filter { secretType: string? }?
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Secret[]?
---@return bytenite.secrets.Error? err
function Client:list(filter, call, ...)
  check_client(self, "list")
  filter = arguments.options(filter, FILTER, "list: filter")
  local limits = arguments.options(call, LIMITS, "list")
  arguments.no_more("list", ...)
  local secret_type = filter.secretType
  if secret_type then
    local ok, problem = core.check_segment(secret_type)
    if not ok then return nil, record.invalid("list", "secretType", problem) end
  end
  return Call.new(self, self.waiting, "list", secret_type):start(limits):run(operations.list)
end

-- The API has no read of a single record.
local function run_get(call)
  local list, err = call:run(operations.list)
  if not list then return nil, err end
  for _, secret in ipairs(list) do
    if secret.id == call.id and secret.secretType == call.secretType then return secret end
  end
  return nil, errors.new {
    kind = "not_found",
    op = call:op(),
    message = "there is no such secret in the listing",
    attempts = call.attempts,
    sends = call.sends,
  }
end

---Reads one record, by listing its type.
---@param secretType string
---@param id string
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Secret?
---@return bytenite.secrets.Error? err of kind not_found when there is none
function Client:get(secretType, id, call, ...)
  check_client(self, "get")
  check_address("get", secretType, id)
  local limits = arguments.options(call, LIMITS, "get")
  arguments.no_more("get", ...)
  local running = Call.new(self, self.waiting, "get", secretType, id)
  local err = operations.invalid_address(running)
  if err then return nil, err end
  return run_get(running:start(limits))
end

local function check_key(name, key)
  local wanted = check_credential(key)
  if wanted then
    arguments.misuse(("%s: secretKey: %s expected, got %s"):format(name, wanted,
      arguments.type_name(key)), 1)
  end
end

---Creates a secret, or replaces it.
---@param secret bytenite.secrets.Secret fields that are not given are not sent
---@param secretKey bytenite.secrets.Credential 1 byte to 64 KiB of UTF-8
---@param call bytenite.secrets.Limits?
---@return bytenite.secrets.Receipt?
---@return bytenite.secrets.Error? err
function Client:put(secret, secretKey, call, ...)
  check_client(self, "put")
  local problem = record.problem(secret)
  if problem then arguments.misuse("put: " .. problem) end
  check_key("put", secretKey)
  local limits = arguments.options(call, LIMITS, "put")
  arguments.no_more("put", ...)
  local running = Call.new(self, self.waiting, "put", secret.secretType, secret.id)
  return run_put(running, limits, secret, secretKey)
end

---Removes a secret.
---@param secretType string
---@param id string
---@param call bytenite.secrets.DeleteLimits?
---@return bytenite.secrets.Receipt? receipt absent = true when it was gone before the last attempt
---@return bytenite.secrets.Error? err of kind not_found when there is none, unless missing_ok
function Client:delete(secretType, id, call, ...)
  check_client(self, "delete")
  check_address("delete", secretType, id)
  local limits = arguments.options(call, DELETE_LIMITS, "delete")
  arguments.no_more("delete", ...)
  local running = Call.new(self, self.waiting, "delete", secretType, id)
  running.missing_ok = limits.missing_ok
  return running:start(limits):run(operations.delete)
end

---Replaces the key of a secret and keeps its record: reads it and writes it back.
---@param secretType string
---@param id string
---@param secretKey bytenite.secrets.Credential
---@param call bytenite.secrets.Limits? for both together
---@return bytenite.secrets.Receipt?
---@return bytenite.secrets.Error? err
function Client:rotate(secretType, id, secretKey, call, ...)
  check_client(self, "rotate")
  check_address("rotate", secretType, id)
  check_key("rotate", secretKey)
  local limits = arguments.options(call, LIMITS, "rotate")
  arguments.no_more("rotate", ...)
  local running = Call.new(self, self.waiting, "rotate", secretType, id)
  local err = operations.invalid_address(running) or ask_key(running, secretKey)
    or operations.invalid_key(running)
  if err then return nil, err end
  running.secret, err = run_get(running:start(limits))
  err = err or invalid_record(running, running.secret)
  if err then return nil, err end
  return running:run(operations.put)
end

-- Many at once ------------------------------------------------------------------------------------

local function put_item(way, item)
  local problem = not way.undisturbed and bulk_items.problem(item)
  if problem then return "put", nil, bulk_items.invalid("put", problem) end
  local secret = item.secret
  local running = Call.new(way.client, way, "put", secret.secretType, secret.id)
  return running:op(), run_put(running, way.limits, secret, item.secretKey)
end

local function delete_item(way, ref)
  local problem = bulk_items.delete_problem(ref)
  if problem then return "delete", nil, bulk_items.invalid("delete", problem) end
  local running = Call.new(way.client, way, "delete", ref.secretType, ref.id)
  running.missing_ok = way.missing_ok
  return running:op(), running:start(way.limits):run(operations.delete)
end

---Puts many secrets, several at once. An item that a function gave may be changed after its
---result is there, and one that is malformed is a failure of that item alone; what is malformed
---in an array raises before anything is sent.
---@param items bytenite.secrets.Item[]|fun(): bytenite.secrets.Item?
---@param options bytenite.secrets.BulkOptions?
---@return bytenite.secrets.Report?
---@return bytenite.secrets.Error? err only when nothing was started
function Client:put_all(items, options, ...)
  check_client(self, "put_all")
  bulk_items.check("put_all", "items", items, bulk_items.problem)
  options = bulk.check_options(options, "put_all")
  arguments.no_more("put_all", ...)
  if self.problem then return nil, self.problem end
  return bulk.run(self, items, options, bulk_items.put_op, put_item)
end

---Removes many secrets, several at once.
---@param refs bytenite.secrets.Ref[]|fun(): bytenite.secrets.Ref? a listing will do
---@param options bytenite.secrets.DeleteBulkOptions?
---@return bytenite.secrets.Report?
---@return bytenite.secrets.Error? err only when nothing was started
function Client:delete_all(refs, options, ...)
  check_client(self, "delete_all")
  bulk_items.check("delete_all", "refs", refs, bulk_items.delete_problem)
  options = bulk.check_delete_options(options, "delete_all")
  arguments.no_more("delete_all", ...)
  if self.problem then return nil, self.problem end
  return bulk.run(self, refs, options, bulk_items.delete_op, delete_item)
end

---Compares what is stored with what is desired. Changes nothing.
---@param desired bytenite.secrets.DesiredItem[]|fun(): bytenite.secrets.DesiredItem?
---@param options bytenite.secrets.PlanOptions?
---@return bytenite.secrets.Plan?
---@return bytenite.secrets.Error? err of kind invalid when an item cannot be written, or more would
--- be deleted than max_delete
function Client:plan(desired, options, ...)
  check_client(self, "plan")
  arguments.no_more("plan", ...)
  return plan.make(self, desired, options)
end

---Does what a plan says: the writes in the order of its actions, then, if none of them failed,
---the deletes.
---@param made bytenite.secrets.Plan
---@param options bytenite.secrets.BulkOptions? deadline is for the listing too
---@return bytenite.secrets.Report?
---@return bytenite.secrets.Error? err when nothing was written: of kind conflict when the listing
--- has changed since, invalid when the plan is for another base_url
function Client:apply(made, options, ...)
  check_client(self, "apply")
  arguments.no_more("apply", ...)
  return apply(self, made, options)
end

-- The client itself -------------------------------------------------------------------------------

---Exchanges the API key for a new access token, which the client keeps.
---@param call bytenite.secrets.Limits?
---@return { expiresIn: integer, scope: string? }? answer seconds that the token is good for, 3600
--- when the service does not say
---@return bytenite.secrets.Error? err of kind config when there is no API key
function Client:authenticate(call, ...)
  check_client(self, "authenticate")
  local limits = arguments.options(call, LIMITS, "authenticate")
  arguments.no_more("authenticate", ...)
  if self.settings.credential.kind ~= "api_key" then
    return nil, errors.new {
      kind = "config",
      op = "authenticate",
      message = "there is no API key to exchange, only an access token",
      hint = "set BYTENITE_API_KEY, or pass api_key to secrets.new",
    }
  end
  return self.session:exchange(Call.new(self, self.waiting, "authenticate"):start(limits))
end

---Each setting with where it came from; never a secret.
---@return table<string, { value: any, source: "option"|"environment"|"default" }>
function Client:describe(...)
  check_client(self, "describe")
  arguments.no_more("describe", ...)
  return config.describe(self.settings)
end

---Closes the connections and wipes the token; idempotent. Collecting the client as garbage does
---the same.
function Client:close(...)
  if getmetatable(self) ~= Client then arguments.misuse("close: call it as client:close()") end
  arguments.no_more("close", ...)
  self.core:close()
  self.core = CLOSED
end

function Client:__close()
  self:close()
end

function Client:__tostring()
  local state = self.core == CLOSED and "closed" or self.settings.values.base_url
  return ("%s (%s)"):format(Client.__name, state)
end

---A client for when none can be made: it checks its arguments like any other, and then every call
---returns the reason.
---@param err bytenite.secrets.Error
---@return bytenite.secrets.Client
local function impossible(err)
  local function refuse()
    return nil, err
  end
  return setmetatable({
    core = {},
    settings = { values = config.DEFAULTS, credential = { kind = "api_key" } },
    session = { authorize = refuse, exchange = refuse },
    budget = retry.budget(),
    waiting = waiting.blocking,
    problem = err,
  }, Client)
end

return { new = new, impossible = impossible, methods = Client }
