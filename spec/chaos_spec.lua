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
  local unknown, undone -- calls that were told to be that

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

  -- What the service may hold under a key after a call, as that call has told it: what was put or
  -- that nothing is there, what was there before, or either.
  local function told(before, value, done, err)
    if done then return { value } end
    unknown, undone = unknown + (err.ambiguous and 1 or 0), undone + (err.ambiguous and 0 or 1)
    return { before, err.ambiguous and value or nil }
  end

  local function call_put(before, id, value)
    return told(before, value, client:put({ id = id, secretType = "other" }, value))
  end

  local function call_delete(before, id)
    local receipt, err = client:delete("other", id)
    if err and err.kind == "not_found" and not err.ambiguous then
      assert.equal(ABSENT, before, "not_found for what has to be there")
    end
    return told(before, ABSENT, receipt, err)
  end

  local function stored()
    local found = {}
    for _, secret in ipairs(emulator:secrets()) do
      assert.is_nil(found[secret.id], "one record to a key")
      found[secret.id] = secret.secretKey
    end
    return found
  end

  -- Looks at all keys, of which only one may be another than before; returns what it is now.
  local function check_state(state, id, possible)
    local found = stored()
    for other, value in pairs(state) do
      if other ~= id then assert.equal(value, found[other] or ABSENT) end
    end
    local now = found[id] or ABSENT
    assert.is_true(now == possible[1] or now == possible[2],
      ("%s is %s, and may be %s"):format(id, now, table.concat(possible, ", ")))
    return now
  end

  it("leave the service in a state that each of the calls told", function()
    local state = {}
    unknown, undone = 0, 0
    for number = 1, CALLS do
      local id = "key-" .. math.random(KEYS)
      add_faults()
      passed = passed + 6 -- seconds, so that a key that was refused has rested
      local call = math.random() < 0.6 and call_put or call_delete
      state[id] = check_state(state, id, call(state[id] or ABSENT, id, "value-" .. number))
    end
    assert.is_true(unknown > CALLS / 100 and undone > CALLS / 100)
    assert.is_true(unknown + undone < CALLS / 2)
  end)
end)
