local secrets = require "bytenite.secrets"
local service = require "service"

local GOOD = { secret = { id = "good", secretType = "s3" }, secretKey = "x" }

-- What is wrong with an item, and the item.
local BAD_ITEMS = {
  ["table expected, got nil"] = false,
  ["table expected, got string"] = "my-key",
  ['unknown field "secret_key" (there are secret, secretKey)'] =
    { secret = GOOD.secret, secretKey = "x", secret_key = "x" },
  ['unknown field "1" (there are secret, secretKey)'] = { GOOD.secret, "x" },
  ["secret: table expected, got nil"] = { secretKey = "x" },
  ["secret.id is missing"] = { secret = { secretType = "s3" }, secretKey = "x" },
  ["secret.name: string expected, got number"] =
    { secret = { id = "k", secretType = "s3", name = 1 }, secretKey = "x" },
  ["secretKey: string, SecretString or function expected, got nil"] = { secret = GOOD.secret },
  ["secretKey: string, SecretString or function expected, got number"] =
    { secret = GOOD.secret, secretKey = 123456 },
}

local BAD_REFS = {
  ["table expected, got nil"] = false,
  ["table expected, got string"] = "s3/my-key",
  ["id: string expected, got nil"] = { secretType = "s3" },
  ["id: string expected, got number"] = { secretType = "s3", id = 1 },
  ["secretType: string expected, got nil"] = { id = "my-key" },
}

local emulator, client

local function raises(message, name, ...)
  local ok, raised = pcall(client[name], client, ...)
  assert.is_false(ok)
  assert.equal(name .. ": " .. message, raised)
end

describe("Many at once, misused,", function()
  before_each(function()
    emulator = service.start()
    client = service.open()
  end)

  after_each(service.release)

  describe("raise before anything is sent", function()
    after_each(function()
      assert.same({}, emulator:requests())
    end)

    it("for what is neither an array nor a function", function()
      raises("items: array or function expected, got nil", "put_all")
      raises("items: array or function expected, got string", "put_all", "my-key")
      raises("items: array or function expected, got SecretString", "put_all",
        secrets.from_string "x")
      raises("refs: array or function expected, got userdata", "delete_all", secrets.null)
    end)

    it("for one item in the place of an array", function()
      raises("items: array expected, got a table of fields", "put_all", GOOD)
      raises("refs: array expected, got a table of fields", "delete_all", GOOD.secret)
    end)

    it("for options", function()
      for name, deletes in pairs { put_all = "", delete_all = "missing_ok, " } do
        raises("options: table expected, got number", name, {}, 16)
        raises('unknown option "parallel" (there are concurrency, deadline, ' .. deletes
          .. "on_progress, stop_on_error)", name, {}, { parallel = 4 })
        local wanted = "option concurrency: a whole number from 1 to 256 expected, got "
        raises(wanted .. "0", name, {}, { concurrency = 0 })
        raises(wanted .. "257", name, {}, { concurrency = 257 })
        raises(wanted .. "1.5", name, {}, { concurrency = 1.5 })
        raises(wanted .. "string", name, {}, { concurrency = "4" })
        raises("option deadline: a number of seconds over 0, up to 3600, expected, got 0", name, {},
          { deadline = 0 })
        raises("option on_progress: function expected, got boolean", name, {},
          { on_progress = true })
        raises("option stop_on_error: boolean expected, got number", name, {},
          { stop_on_error = 1 })
        raises("too many arguments", name, {}, {}, nil)
      end
      raises("option missing_ok: boolean expected, got string", "delete_all", {},
        { missing_ok = "yes" })
    end)

    it("for what is malformed in an array, wherever it stands", function()
      for message, bad in pairs(BAD_ITEMS) do
        raises("items[1]: " .. message, "put_all", { bad or nil, GOOD })
        raises("items[2]: " .. message, "put_all", { GOOD, bad or nil, GOOD })
      end
      for message, bad in pairs(BAD_REFS) do
        raises("refs[2]: " .. message, "delete_all", { GOOD.secret, bad or nil, GOOD.secret })
      end
    end)

    it("at the line of the caller", function()
      local function lines(...)
        local ok, raised = pcall(...)
        assert.is_false(ok)
        return raised:match("^(.-:%d+): ")
      end
      local here = debug.getinfo(1, "S").short_src
      local line = debug.getinfo(1, "l").currentline
      assert.equal(here .. ":" .. line + 2, lines(function()
        local _ = client:put_all { "x" }
      end))
      assert.equal(here .. ":" .. line + 5, lines(function()
        local _ = client:delete_all({}, { x = 1 })
      end))
    end)

    it("on a client that is closed, or none", function()
      client:close()
      raises("the client is closed", "put_all", {})
      raises("the client is closed", "delete_all", {})
      assert.has_error(function() client.put_all({}, {}) end,
        "put_all: call it as client:put_all(...)")
    end)
  end)

  describe("from a function", function()
    local function from(bad)
      local list, number = { GOOD, bad, GOOD }, 0
      return function()
        number = number + 1
        return list[number]
      end
    end

    it("fail alone where they are malformed", function()
      for message, bad in pairs(BAD_ITEMS) do
        local report = bad and client:put_all(from(bad))
        if report then
          assert.same({ 2, 1, 3 }, { report.done, report.failed, #report.results })
          local result = report.results[2]
          assert.same({ "put", "put", "invalid", "put: " .. message, 0, 0 }, { result.op,
            result.err.op, result.err.kind, result.err.message, result.err.attempts,
            result.err.sends })
        end
      end
      local report = client:put_all(from(false))
      assert.equal("put: table expected, got boolean", report.results[2].err.message)
    end)

    it("fail alone as references", function()
      for message, bad in pairs(BAD_REFS) do
        local report = bad and client:delete_all(from(bad))
        if report then
          assert.equal("delete: " .. message, report.results[2].err.message)
          assert.equal("invalid", report.results[2].err.kind)
          assert.equal(3, report.failed)
        end
      end
    end)
  end)

  it("do not stumble over an array that is changed meanwhile", function()
    local function item(id)
      return { secret = { id = id, secretType = "s3" }, secretKey = "x" }
    end
    local items = { item "a", item "b", item "c", item "d" }
    local report = client:put_all(items, {
      concurrency = 1,
      on_progress = function(done)
        if done > 1 then return end
        items[2], items[3], items[5] = nil, item "other", item "e"
        items[4].secret = nil
      end,
    })
    assert.same({ 2, 2, 4 }, { report.done, report.failed, #report.results })
    assert.equal("put: table expected, got nil", report.results[2].err.message)
    assert.equal("put s3/other", report.results[3].op)
    assert.equal("put: secret: table expected, got nil", report.results[4].err.message)
  end)

  it("do not stumble over an array that is emptied before its items are started", function()
    local items = { GOOD, GOOD, GOOD }
    emulator:fail { op = "put", status = 400 }
    local report = client:put_all(items, {
      concurrency = 1,
      stop_on_error = true,
      on_progress = function() items[2], items[3] = nil, nil end,
    })
    assert.same({ 0, 3 }, { report.done, report.failed })
    assert.equal("put: it was never started: an item before it failed",
      report.results[3].err.message)
  end)
end)
