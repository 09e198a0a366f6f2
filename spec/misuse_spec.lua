local compile = require "compile"
local secrets = require "bytenite.secrets"
local service = require "service"

local RECORD = { id = "my-key", secretType = "s3" }

local METHODS = {
  "list", "get", "put", "delete", "rotate", "plan", "apply", "authenticate", "describe",
}

local emulator, client

local function raises(message, called, ...)
  local ok, raised = pcall(called, ...)
  assert.is_false(ok)
  assert.equal(message, raised)
end

-- Calls a method with wrong arguments.
local function method_raises(message, name, ...)
  raises(message, client[name], client, ...)
end

describe("misuse of a client raises", function()
  before_each(function()
    emulator = service.start()
    client = service.open()
  end)

  after_each(function()
    -- Whatever was wrong, nothing of it was sent.
    assert.same({}, emulator:requests())
    service.release()
  end)

  it("for filters and addresses of a wrong type", function()
    method_raises("list: filter: options: table expected, got string", "list", "s3")
    method_raises("list: filter: option secretType: string expected, got number", "list",
      { secretType = 1 })
    method_raises("get: secretType: string expected, got nil", "get")
    method_raises("get: id: string expected, got nil", "get", "s3")
    method_raises("delete: secretType: string expected, got table", "delete", RECORD)
    method_raises("delete: id: string expected, got number", "delete", "s3", 1)
    method_raises("rotate: id: string expected, got SecretString", "rotate", "s3",
      secrets.from_string "x", "x")
  end)

  it("for keys of a wrong type, and does not show them", function()
    local wanted = ": secretKey: string, SecretString or function expected, got "
    method_raises("put" .. wanted .. "nil", "put", RECORD)
    method_raises("put" .. wanted .. "number", "put", RECORD, 123456)
    method_raises("put" .. wanted .. "table", "put", RECORD, {})
    method_raises("put" .. wanted .. "userdata", "put", RECORD, secrets.null)
    method_raises("rotate" .. wanted .. "nil", "rotate", "s3", "my-key")
    method_raises("put: secret: table expected, got string", "put", "hunter2", RECORD)
  end)

  it("for fields of a wrong type or name", function()
    local function put(secret)
      secret.id, secret.secretType = secret.id or "k", secret.secretType or "s3"
      return client:put(secret, "x")
    end
    for message, secret in pairs {
      ["secret: table expected, got nil"] = false,
      ["secret.id is missing"] = { secretType = "s3" },
      ["secret.secretType is missing"] = { id = "k" },
    } do
      method_raises("put: " .. message, "put", secret or nil, "x")
    end
    for message, secret in pairs {
      ["secret.id: string expected, got number"] = { id = 1 },
      ["secret.secretType: string expected, got boolean"] = { secretType = true },
      ["secret.expiresAt: string expected, got number"] = { expiresAt = os.time() },
      ["secret.accessKey: string expected, got SecretString"] =
        { accessKey = secrets.from_string "x" },
      ["secret.params: table expected, got string"] = { params = "region=eu" },
      ["secret.name: string expected, got userdata"] = { name = secrets.null },
      ["secret: field names are strings, got number"] = { "x" },
      ["secret.secret_type: the field is written secretType"] = { secret_type = "s3" },
      ["secret.expires-at: the field is written expiresAt"] = { ["expires-at"] = "x" },
      ["secret.ID: the field is written id"] = { ID = "x" },
      ["secret.secretKey: the key does not belong in the record; pass it as the next argument"] =
        { secretKey = "hunter2" },
      ["secret.SECRET_KEY: the key does not belong in the record; pass it as the next argument"] =
        { SECRET_KEY = "hunter2" },
    } do
      local ok, raised = pcall(put, secret)
      assert.is_false(ok)
      assert.truthy(raised:find("put: " .. message, 1, true), raised)
    end
  end)

  it("for unknown options in any options table", function()
    local limits = " (there are deadline, retries, timeout)"
    method_raises('list: filter: unknown option "type" (there are secretType)', "list",
      { type = "s3" })
    method_raises('list: unknown option "retry"' .. limits, "list", nil, { retry = 1 })
    method_raises('get: unknown option "missing_ok"' .. limits, "get", "s3", "k",
      { missing_ok = true })
    method_raises('put: unknown option "retry"' .. limits, "put", RECORD, "x", { retry = 1 })
    method_raises('rotate: unknown option "retry"' .. limits, "rotate", "s3", "k", "x",
      { retry = 1 })
    method_raises('authenticate: unknown option "retry"' .. limits, "authenticate", { retry = 1 })
    method_raises('delete: unknown option "force" (there are deadline, missing_ok, retries, '
      .. "timeout)", "delete", "s3", "k", { force = true })
  end)

  it("for options of a wrong type or out of range", function()
    method_raises("list: options: table expected, got number", "list", nil, 5)
    for _, name in ipairs { "timeout", "deadline" } do
      for _, value in ipairs { 0, -1, 3601, 0 / 0 } do
        method_raises(("list: option %s: a number of seconds over 0, up to 3600, expected, got %s")
          :format(name,
          tostring(value)), "list", nil, { [name] = value })
      end
    end
    for _, value in ipairs { -1, 11, 0.5 } do
      method_raises("put: option retries: a whole number from 0 to 10 expected, got " .. value,
        "put", RECORD, "x", { retries = value })
    end
    method_raises("get: option retries: a whole number from 0 to 10 expected, got string", "get",
      "s3", "k", { retries = "1" })
    method_raises("delete: option missing_ok: boolean expected, got number", "delete", "s3", "k",
      { missing_ok = 1 })
  end)

  it("for too many arguments", function()
    method_raises("list: too many arguments", "list", {}, {}, nil)
    method_raises("get: too many arguments", "get", "s3", "k", {}, 1)
    method_raises("put: too many arguments", "put", RECORD, "x", {}, 1)
    method_raises("delete: too many arguments", "delete", "s3", "k", {}, 1)
    method_raises("rotate: too many arguments", "rotate", "s3", "k", "x", {}, 1)
    method_raises("authenticate: too many arguments", "authenticate", {}, 1)
    method_raises("describe: too many arguments", "describe", 1)
    method_raises("close: too many arguments", "close", 1)
  end)

  it("for a method called with a dot", function()
    for _, name in ipairs(METHODS) do
      for _, self in ipairs { {}, "s3", 1, io.stdout } do
        raises(("%s: call it as client:%s(...)"):format(name, name), client[name], self, "k")
      end
      raises(("%s: call it as client:%s(...)"):format(name, name), client[name])
    end
    raises("close: call it as client:close()", client.close)
    raises("close: call it as client:close()", client.close, {})
  end)

  it("at the caller's own line", function()
    local here = debug.getinfo(1, "l").currentline
    local calls = {
      function() local a = client:list(1) return a end,
      function() local a = client:get() return a end,
      function() local a = client:put(1) return a end,
      function() local a = client:put(RECORD) return a end,
      function() local a = client:delete("s3", "k", { x = 1 }) return a end,
      function() local a = client:rotate("s3", "k") return a end,
      function() local a = client:authenticate({}, 1) return a end,
      function() local a = client.list({}) return a end,
      function() local a = client:close(1) return a end,
    }
    for position, called in ipairs(calls) do
      local _, message = pcall(called)
      local place = ("spec/misuse_spec.lua:%d: "):format(here + 1 + position)
      assert.equal(place, message:sub(1, #place))
    end
  end)
end)

describe("a closed client", function()
  before_each(function()
    emulator = service.start()
    client = service.open()
  end)

  after_each(service.release)

  it("raises at every call but close", function()
    assert.equal("bytenite.secrets.Client (" .. emulator.url .. ")", tostring(client))
    client:close()
    client:close()
    assert.equal("bytenite.secrets.Client (closed)", tostring(client))
    for _, name in ipairs(METHODS) do
      method_raises(name .. ": the client is closed", name)
    end
    assert.same({}, emulator:requests())
  end)

  it("is what <close> leaves", function()
    local chunk = compile("local client <close> = ... return client:list()")
    if not chunk then return pending "this Lua has no <close>" end
    assert.same({}, chunk(client))
    method_raises("list: the client is closed", "list")
  end)

  it("is what <close> leaves after an error, which goes on", function()
    local chunk = compile("local client <close> = ... error('mine', 0)")
    if not chunk then return pending "this Lua has no <close>" end
    raises("mine", chunk, client)
    method_raises("list: the client is closed", "list")
  end)

  it("ends a call that is under way as cancelled", function()
    local value, err = client:put(RECORD, function()
      client:close()
      return "x"
    end)
    assert.is_nil(value)
    assert.equal("cancelled", err.kind)
    assert.equal("put s3/my-key", err.op)
    assert.equal(0, err.sends)
    assert.is_false(err.ambiguous)
    assert.same({}, emulator:requests())
  end)

  it("ends a call that was told of a failed attempt as cancelled, and as ambiguous", function()
    client:close()
    client = service.open { on_event = function(event)
      if event.event == "retry" then client:close() end
    end }
    service.fail("put", { status = 500 })
    local value, err = client:put(RECORD, "x")
    assert.is_nil(value)
    assert.equal("cancelled", err.kind)
    assert.equal(1, err.sends)
    assert.is_true(err.ambiguous)
  end)

  it("leaves others alone", function()
    local other = service.open()
    assert(other:list())
    client:close()
    assert.same({}, other:list())
  end)
end)
