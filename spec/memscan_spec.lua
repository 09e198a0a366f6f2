-- The memory scan in its short form: what a call leaves behind, read from outside its process.
-- `make memscan` is the long form; README.md, "Secrets in memory", is what is promised.

local cases = require "memscan.cases"
local environment = require "environment"
local shell = require "shell"
local trial = require "memscan.trial"

-- Plain Lua 5.1 cannot yield across pcall.
local LOOPS = _VERSION ~= "Lua 5.1" or rawget(_G, "jit")

-- Of other TLS libraries the promise is about keys alone.
local OPENSSL = require("bytenite.secrets").info().tls:find("OpenSSL/3", 1, true)

local function keys_left(looks)
  local places = {}
  for _, look in ipairs(looks) do
    for _, name in ipairs { "secretKey", "apiKey" } do
      for _, place in ipairs(look.counts[name].places) do
        places[#places + 1] = ("after %s: %s: %s"):format(look.step, name, place)
      end
    end
  end
  return places
end

-- A sanitizer and valgrind keep memory of their own, and much of it.
local function connection(encrypted)
  return encrypted and "over TLS" or "over plain HTTP"
end

-- How many copies of each secret the looks found, after the same calls with other sources or in
-- another environment.
local function copies_left(encrypted, sources, variables)
  local case = setmetatable({ sources = sources }, { __index = cases.compared })
  local copies = { secretKey = 0, apiKey = 0, token = 0, renewed = 0 }
  for _, look in ipairs((trial.run(case, { encrypted = encrypted, environment = variables }))) do
    for name, counts in pairs(look.counts) do
      copies[name] = copies[name] + counts.copies
    end
  end
  return copies
end

local HAS_GDB = shell "gdb --version 2>/dev/null" ~= ""

-- What a core file holds after the same calls.
local function counts_of_dump(sources)
  local case = setmetatable({ sources = sources }, { __index = cases.compared })
  local found
  trial.run(case, { encrypted = true, inspect = function(look, subject, secrets)
    if look.step == "list" then found = subject:dump(secrets) end
  end })
  return found
end

describe("No copy of a secret is left", function()
  if environment.is_watched() then
    return pending("under a sanitizer or valgrind")
  end

  for _, case in ipairs(cases) do
    for _, encrypted in ipairs { false, true } do
      if encrypted or not case.encrypted then
        it(("by %s, %s"):format(case.name, connection(encrypted)), function()
          if case.wait and not LOOPS then return pending "this Lua cannot wait in an event loop" end
          local looks, problems = trial.run(case, { encrypted = encrypted })
          assert.are.same({}, OPENSSL and problems or keys_left(looks))
        end)
      end
    end
  end

  it("in the environment, by a variable that is unset", function()
    local before, after
    local case
    for _, one in ipairs(cases) do
      if one.sources and one.sources.secretKey == "from_env" then case = one end
    end
    trial.run(case, { inspect = function(_, subject, secrets)
      before = before or secrets.secretKey
      after = subject:environment()
    end })
    assert.is_nil(after:find(before, 1, true))
  end)

  it("in a core file", function()
    if not HAS_GDB then return pending "there is no gdb" end
    for name, counts in pairs(counts_of_dump()) do
      assert.are.same({}, counts.places, name)
    end
  end)
end)

describe("The scan of memory", function()
  if environment.is_watched() then
    return pending("under a sanitizer or valgrind")
  end

  for _, encrypted in ipairs { false, true } do
    it("finds Lua strings, " .. connection(encrypted), function()
      local copies = copies_left(encrypted, { secretKey = "string", apiKey = "string" })
      assert.is_true(copies.secretKey > 0)
      assert.is_true(copies.apiKey > 0)
    end)

    it("finds what libcurl leaves where it is not scrubbed, " .. connection(encrypted), function()
      local copies = copies_left(encrypted, nil, { BYTENITE_SECRETS_SCRUB = "0" })
      assert.is_true(copies.secretKey + copies.apiKey + copies.token > 0)
    end)
  end

  it("finds Lua strings in a core file", function()
    if not HAS_GDB then return pending "there is no gdb" end
    local found = counts_of_dump { secretKey = "string", apiKey = "string" }
    assert.is_true(found.secretKey.copies > 0)
  end)
end)
