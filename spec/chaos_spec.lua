-- Thousands of writes through random faults: what each call says of the service's state is true.

local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local secrets = require "bytenite.secrets"

local CALLS = math.floor(10000 / (tonumber(os.getenv("SPEC_SLOW")) or 1))
local KEYS = 20
local ABSENT = "(absent)"

local FAULTS = {
  { status = 408 }, { status = 429 }, { status = 500 }, { status = 502 }, { status = 503 },
  { status = 504 }, { status = 400 }, { status = 401 }, { status = 403 }, { status = 409 },
  { status = 200, body = "{" }, { status = 200, body = '{"ok":false}' },
  { status = 200, body = "<html>" },
  { drop = "before" }, { drop = "after" }, { drop = "midway" }, { drop = "after" },
}

local sleep, monotonic = core.sleep, core.monotonic

describe("ten thousand writes through random faults", function()
  local emulator, client
  local passed = 0

  before_each(function()
    core.sleep = function() return true end
    core.monotonic = function() return monotonic() + passed end
    emulator = assert(emulators.start())
    client = assert(secrets.new {
      base_url = emulator.url, api_key = emulator.api_key, ignore_env = true,
    })
  end)

  after_each(function()
    core.sleep, core.monotonic = sleep, monotonic
    client:close()
    emulator:stop()
  end)

  local function add_faults()
    while math.random() < 0.4 do
      local fault = {}
      for name, value in pairs(FAULTS[math.random(#FAULTS)]) do
        fault[name] = value
      end
      if math.random() < 0.2 then fault.op = "authenticate" end
      emulator:fail(fault)
    end
  end

  -- What the service may hold under a key, from all that the calls have said: key -> set of values.
  local function may_be(possible, value)
    for _, candidate in ipairs(possible) do
      if candidate == value then return true end
    end
    return false
  end

  local function call_put(possible, id, value)
    local receipt, err = client:put({ id = id, secretType = "other" }, value)
    if receipt then return { value } end
    if err.ambiguous then possible[#possible + 1] = value end
    return possible
  end

  local function call_delete(possible, id)
    local receipt, err = client:delete("other", id)
    if receipt then return { ABSENT } end
    if err.kind == "not_found" and not err.ambiguous then
      assert.is_true(may_be(possible, ABSENT), "not_found for what has to be there")
      return { ABSENT }
    end
    if err.ambiguous then possible[#possible + 1] = ABSENT end
    return possible
  end

  local function check_state(state)
    local found = {}
    for _, secret in ipairs(emulator:secrets()) do
      assert.is_nil(found[secret.id], "one record to a key")
      found[secret.id] = secret.secretKey
    end
    for id, possible in pairs(state) do
      local value = found[id] or ABSENT
      assert.is_true(may_be(possible, value),
        ("%s is %s, and may be %s"):format(id, value, table.concat(possible, ", ")))
    end
  end

  it("leave the service in a state that the calls told", function()
    local state, confirmed = {}, 0
    for number = 1, CALLS do
      local id = "key-" .. math.random(KEYS)
      add_faults()
      passed = passed + 6 -- seconds, so that a key that was refused has rested
      local before = state[id] or { ABSENT }
      if math.random() < 0.6 then
        state[id] = call_put(before, id, "value-" .. number)
      else
        state[id] = call_delete(before, id)
      end
      if #state[id] == 1 then confirmed = confirmed + 1 end
      if number % 500 == 0 then check_state(state) end
    end
    check_state(state)
    assert.is_true(confirmed > CALLS / 2)
  end)
end)
