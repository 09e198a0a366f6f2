-- Does what a plan says: the writes first, then the deletes.

local arguments = require "bytenite.secrets.arguments"
local bulk = require "bytenite.secrets.bulk"
local core = require "bytenite.secrets.core"
local errors = require "bytenite.secrets.errors"
local listing = require "bytenite.secrets.plan.listing"
local plans = require "bytenite.secrets.plan"
local printable = require "bytenite.secrets.printable"

---@return string url without what makes no difference
local function plain(url)
  return (url:gsub("/+$", ""))
end

local function wrong_service(made_for, client)
  local base_url = client.settings.values.base_url
  if plain(made_for) == plain(base_url) then return nil end
  return errors.new {
    kind = "invalid",
    op = "apply",
    message = ("the plan was made for %s, and this client is for %s"):format(made_for, base_url),
    hint = "make the plan with this client",
  }
end

---@return bytenite.secrets.Error? of kind conflict
local function stale(before, list)
  local changes = listing.changes(before, listing.read(list))
  if #changes == 0 then return nil end
  return errors.new {
    kind = "conflict",
    op = "apply",
    message = "the listing has changed since the plan was made: "
      .. printable.several(changes, ", "),
    hint = "make a new plan and look at it; nothing was written",
  }
end

-- What one of the two bulk calls gets of the options of both.
local function share(options, ends, before, total)
  local own = { concurrency = options.concurrency, stop_on_error = options.stop_on_error }
  if ends then own.deadline = math.max(ends - core.monotonic(), 0.001) end
  if options.on_progress then
    own.on_progress = function(done)
      options.on_progress(before + done, total)
    end
  end
  return own
end

local function cancelled(why)
  return errors.new {
    kind = "cancelled",
    op = "apply",
    message = "it was never started: " .. why,
    hint = "make a new plan, which has what is left",
    retryable = true,
  }
end

-- The report of deletes that were never started.
local function never_started(deletes, why)
  local report = { done = 0, failed = #deletes, results = {} }
  for position, secret in ipairs(deletes) do
    local op = printable.op("delete", secret.secretType, secret.id)
    report.results[position] = { ok = false, op = op, err = errors.again(cancelled(why), op) }
  end
  return report
end

local function join(one, other)
  local report = { done = one.done + other.done, failed = one.failed + other.failed, results = {} }
  report.ok = report.failed == 0
  for _, part in ipairs { one, other } do
    for _, result in ipairs(part.results) do
      report.results[#report.results + 1] = result
    end
  end
  return report
end

-- Deletes come last, and only when all is written: what an item replaces is there until then.
local function run(client, opened, contents, options, ends)
  local writes, deletes = contents.writes, contents.deletes
  local total = #writes + #deletes
  local written = client:put_all(writes, share(options, ends, 0, total))
  local deleted
  if not written.ok then
    deleted = never_started(deletes, "a write before it failed")
  elseif client.core ~= opened then
    deleted = never_started(deletes, "the client was closed")
  else
    deleted = client:delete_all(deletes, share(options, ends, #writes, total))
  end
  return join(written, deleted)
end

---As client:apply.
---@param client bytenite.secrets.Client
local function apply(client, plan, options)
  local contents = plans.contents(plan)
  if not contents then
    arguments.misuse("apply: plan: Plan expected, got " .. arguments.type_name(plan))
  end
  options = bulk.check_options(options, "apply")
  local err = wrong_service(contents.base_url, client)
  if err then return nil, err end
  local opened, ends = client.core, options.deadline and core.monotonic() + options.deadline
  local list
  list, err = client:list(nil, { deadline = options.deadline })
  if not list then return nil, err end
  if client.core ~= opened then return nil, cancelled("the client was closed") end
  err = stale(contents.listing, list)
  if err then return nil, err end
  return run(client, opened, contents, options, ends)
end

return apply
