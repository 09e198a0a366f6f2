local core = require "bytenite.secrets.core"
local secrets = require "bytenite.secrets"

local NOW = 1767031347 -- 2025-12-29T18:02:27Z

local function ids(list)
  local found = {}
  for position, secret in ipairs(list) do
    found[position] = secret.id
  end
  return found
end

local function raises(pattern, called, ...)
  local ok, message = pcall(called, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local LISTING = {
  { id = "a", secretType = "s3", name = "first", expiresAt = "2025-12-29T18:02:26Z" },
  { id = "b", secretType = "s3", expiresAt = "2025-12-29T18:02:27Z" },
  { id = "c", secretType = "gcp", expiresAt = "2025-12-29T18:03:27Z" },
  { id = "d", secretType = "gcp" },
  { id = "e", secretType = "storj", expiresAt = "" },
  { id = "f", secretType = "other", expiresAt = "soon" },
}

describe("questions to a listing", function()
  describe("find", function()
    it("gives the records whose fields have the given values", function()
      assert.same({ "a", "b" }, ids(secrets.find(LISTING, { secretType = "s3" })))
      assert.same({ "b" }, ids(secrets.find(LISTING, { secretType = "s3", id = "b" })))
      assert.same({}, secrets.find(LISTING, { secretType = "s3", id = "c" }))
      assert.same({}, secrets.find(LISTING, { nosuch = "x" }))
    end)

    it("gives the records themselves, in their order", function()
      local found = secrets.find(LISTING, {})
      assert.equal(#LISTING, #found)
      for position, secret in ipairs(LISTING) do
        assert.equal(secret, found[position])
      end
    end)

    it("gives the records that a function accepts", function()
      local found = secrets.find(LISTING, function(secret)
        return secret.expiresAt == nil
      end)
      assert.same({ "d" }, ids(found))
    end)

    it("does not change the listing", function()
      local list = { { id = "a" }, { id = "b" } }
      table.remove(secrets.find(list, {}))
      assert.same({ { id = "a" }, { id = "b" } }, list)
    end)

    it("lets an error of the function through", function()
      raises("^mine$", secrets.find, LISTING, function() error("mine", 0) end)
    end)

    it("raises for anything else, and names the argument", function()
      raises("find: list: table expected, got nil", secrets.find)
      raises("find: list%[2%]: table expected, got string", secrets.find, { {}, "x" }, {})
      raises("find: match: table or function expected, got nil", secrets.find, LISTING)
      raises("find: match: table or function expected, got string", secrets.find, LISTING, "s3")
      raises("find: too many arguments", secrets.find, LISTING, {}, {})
    end)
  end)

  describe("expires_in", function()
    it("gives the seconds that are left, negative when there are none", function()
      assert.equal(60, secrets.expires_in(LISTING[3], NOW))
      assert.equal(0, secrets.expires_in(LISTING[2], NOW))
      assert.equal(-1, secrets.expires_in(LISTING[1], NOW))
      assert.near(0.14,
        secrets.expires_in({ expiresAt = "2025-12-29T18:02:27.140Z" }, NOW), 1e-6)
    end)

    it("goes by the machine's clock unless it is told the time", function()
      local seconds = secrets.expires_in { expiresAt = secrets.timestamp(os.time() + 1000) }
      assert.near(1000, seconds, 60)
    end)

    it("gives nil alone for what never expires", function()
      assert.same({ n = 1 }, { n = select("#", secrets.expires_in(LISTING[4], NOW)) })
      assert.is_nil(secrets.expires_in(LISTING[4], NOW))
      assert.is_nil(secrets.expires_in(LISTING[5], NOW))
    end)

    it("gives nil and an invalid error for what cannot be read", function()
      for _, value in ipairs { "soon", 12, true } do
        local seconds, err = secrets.expires_in({ expiresAt = value }, NOW)
        assert.is_nil(seconds)
        assert.equal("invalid", err.kind)
        assert.equal("expires_in", err.op)
        assert.matches("expiresAt is not an RFC 3339 timestamp", err.message)
      end
    end)

    it("raises for wrong types, and names the argument", function()
      raises("expires_in: secret: table expected, got string", secrets.expires_in, "x")
      raises("expires_in: now: number expected, got string", secrets.expires_in, {}, "1")
      raises("expires_in: too many arguments", secrets.expires_in, {}, 1, 2)
    end)
  end)

  describe("expired", function()
    it("gives what has expired, this very second included", function()
      assert.same({ "a", "b" }, ids(secrets.expired(LISTING, NOW)))
      assert.same({ "a", "b", "c" }, ids(secrets.expired(LISTING, NOW + 60)))
      assert.same({}, secrets.expired(LISTING, NOW - 60))
    end)

    it("goes by the machine's clock unless it is told the time", function()
      local list = {
        { id = "past", expiresAt = secrets.timestamp(os.time() - 3600) },
        { id = "future", expiresAt = secrets.timestamp(os.time() + 3600) },
      }
      assert.same({ "past" }, ids(secrets.expired(list)))
    end)

    it("raises for wrong types, and names the argument", function()
      raises("expired: list: table expected, got nil", secrets.expired)
      raises("expired: list%[1%]: table expected, got number", secrets.expired, { 1 })
      raises("expired: now: number expected, got table", secrets.expired, {}, {})
      raises("expired: too many arguments", secrets.expired, {}, 1, 2)
    end)
  end)

  describe("expiring", function()
    it("gives what expires within some seconds, the expired included", function()
      assert.same({ "a", "b" }, ids(secrets.expiring(LISTING, 59, NOW)))
      assert.same({ "a", "b", "c" }, ids(secrets.expiring(LISTING, 60, NOW)))
      assert.same({ "a" }, ids(secrets.expiring(LISTING, -1, NOW)))
    end)

    it("goes by the machine's clock unless it is told the time", function()
      local list = {
        { id = "tomorrow", expiresAt = secrets.timestamp(os.time() + 86400) },
        { id = "next year", expiresAt = secrets.timestamp(os.time() + 365 * 86400) },
      }
      assert.same({ "tomorrow" }, ids(secrets.expiring(list, 14 * 86400)))
    end)

    it("raises for wrong types, and names the argument", function()
      raises("expiring: list: table expected, got nil", secrets.expiring)
      raises("expiring: list%[1%]: table expected, got boolean", secrets.expiring, { true }, 1)
      raises("expiring: within_seconds: number expected, got nil", secrets.expiring, {})
      raises("expiring: now: number expected, got string", secrets.expiring, {}, 1, "2")
      raises("expiring: too many arguments", secrets.expiring, {}, 1, 2, 3)
    end)
  end)
end)

describe("timestamp", function()
  it("writes a point in time as expiresAt takes it", function()
    assert.equal("2025-12-29T18:02:27Z", secrets.timestamp(NOW))
    assert.equal("2025-12-29T18:02:27.140Z", secrets.timestamp(NOW + 0.14))
    assert.equal(0, secrets.expires_in({ expiresAt = secrets.timestamp(NOW) }, NOW))
  end)

  it("raises for what cannot be written", function()
    raises("timestamp: epoch_seconds: number expected, got string", secrets.timestamp, "now")
    raises("timestamp: epoch_seconds is outside the years 0 to 9999", secrets.timestamp, 1e15)
    raises("timestamp: epoch_seconds is outside the years", secrets.timestamp, 0 / 0)
    raises("timestamp: too many arguments", secrets.timestamp, 1, 2)
  end)
end)

describe("validate", function()
  local function record(changes)
    local secret = {
      id = "my_key",
      secretType = "s3",
      expiresAt = secrets.timestamp(os.time() + 3600),
      accessKey = "AKIA",
      params = { region = "eu" },
      name = "My key",
    }
    for name, value in pairs(changes or {}) do
      secret[name] = value
    end
    return secret
  end

  local function refuses(pattern, changes)
    local ok, err = secrets.validate(record(changes))
    assert.is_nil(ok)
    assert.equal("invalid", err.kind)
    assert.equal("validate", err.op)
    assert.matches(pattern, err.message)
    assert.equal(0, err.sends)
  end

  local function warnings_for(changes)
    local ok, warnings = secrets.validate(record(changes))
    assert.is_true(ok)
    return warnings
  end

  it("accepts a good record without warnings", function()
    assert.same({}, warnings_for())
    local ok, warnings = secrets.validate { id = "k", secretType = "other" }
    assert.is_true(ok)
    assert.same({}, warnings)
  end)

  it("accepts fields that it does not know", function()
    assert.same({}, warnings_for { region = "eu", labels = { "a" } })
  end)

  it("refuses a record without its address", function()
    local ok, err = secrets.validate { secretType = "s3" }
    assert.is_nil(ok)
    assert.matches("secret.id is missing", err.message)
    ok, err = secrets.validate { id = "k" }
    assert.is_nil(ok)
    assert.matches("secret.secretType is missing", err.message)
  end)

  it("refuses fields of a wrong type, and names them", function()
    refuses("secret.id: string expected, got number", { id = 1 })
    refuses("secret.secretType: string expected, got table", { secretType = {} })
    refuses("secret.expiresAt: string expected, got number", { expiresAt = NOW })
    refuses("secret.accessKey: string expected, got SecretString",
      { accessKey = secrets.from_string "x" })
    refuses("secret.params: table expected, got string", { params = "x" })
    refuses("secret.name: string expected, got userdata", { name = secrets.null })
    refuses("secret: field names are strings, got number", { [1] = "x" })
  end)

  it("refuses names that are nearly right, and says how they are written", function()
    for name, meant in pairs {
      ID = "id", secret_type = "secretType", ["secret-type"] = "secretType",
      SecretType = "secretType", secrettype = "secretType", expires_at = "expiresAt",
      ExpiresAt = "expiresAt", access_key = "accessKey", ["Access-Key"] = "accessKey",
      Params = "params", NAME = "name", na_me = "name",
    } do
      refuses("secret%." .. name:gsub("%-", "%%-") .. ": the field is written " .. meant,
        { [name] = "x" })
    end
  end)

  it("refuses a key inside the record, however it is written", function()
    for _, name in ipairs { "secretKey", "secret_key", "SecretKey", "SECRET-KEY" } do
      local ok, err = secrets.validate(record { [name] = "hunter2" })
      assert.is_nil(ok)
      assert.matches("the key does not belong in the record", err.message)
      assert.is_nil(tostring(err):find("hunter2", 1, true))
    end
  end)

  it("refuses an address that cannot be sent", function()
    refuses("id is empty", { id = "" })
    refuses("id is %. or %.%.", { id = "." })
    refuses("id is %. or %.%.", { id = ".." })
    refuses("id holds a control character", { id = "a\0b" })
    refuses("id holds a control character", { id = "a\nb" })
    refuses("id is not UTF%-8", { id = "\255" })
    refuses("id is longer than 1,024 bytes", { id = ("x"):rep(1025) })
    refuses("secretType is empty", { secretType = "" })
    refuses("secretType is not UTF%-8", { secretType = "\255" })
    assert.is_true((secrets.validate(record { id = ("x"):rep(1024) })))
    assert.is_true((secrets.validate(record { id = "..." })))
  end)

  it("refuses text that is not UTF-8, and names the field", function()
    refuses("name is not UTF%-8", { name = "\255" })
    refuses("accessKey is not UTF%-8", { accessKey = "a\192\128" })
    refuses("field whose name is not UTF%-8", { ["\255"] = "x" })
  end)

  it("refuses params that JSON cannot carry, and tells the path", function()
    local cycle = {}
    cycle.again = { cycle }
    refuses("params%.again%[1%] contains itself", { params = cycle })
    refuses("params%.f is of a type that JSON does not have", { params = { f = print } })
    refuses("params%.n is NaN", { params = { n = 0 / 0 } })
    refuses("params%.n is infinite", { params = { n = math.huge } })
    refuses("params%.list", { params = { list = { 1, 2, nil, 4, x = 1 } } })
    refuses("params%.a%.b is not UTF%-8", { params = { a = { b = "\255" } } })
    refuses("params is an array", { params = { "x" } })
    refuses("params is an array", { params = setmetatable({}, secrets.array_mt) })
  end)

  it("allows params up to 30 levels deep", function()
    local function nested(levels)
      local params = {}
      for _ = 2, levels do
        params = { inner = params }
      end
      return params
    end
    assert.same({}, warnings_for { params = nested(30) })
    refuses("is nested too deeply", { params = nested(31) })
  end)

  it("refuses an expiresAt that is no timestamp", function()
    refuses("expiresAt is not an RFC 3339 timestamp", { expiresAt = "tomorrow" })
    assert.same({}, warnings_for { expiresAt = "" })
  end)

  it("warns of an expiry in the past", function()
    assert.same({ "expiresAt has passed" }, warnings_for { expiresAt = "2020-01-01T00:00:00Z" })
  end)

  it("warns of an id that cannot be part of a shell variable", function()
    for _, id in ipairs { "my-key", "9lives", "a b", "a.b", "schlüssel" } do
      local warnings = warnings_for { id = id }
      assert.equal(1, #warnings)
      assert.matches("^id cannot be part of a shell variable's name", warnings[1])
    end
    assert.same({}, warnings_for { id = "_Key9" })
  end)

  it("warns of stray newlines and white space", function()
    assert.same({ "accessKey holds a newline" }, warnings_for { accessKey = "AKIA\n" })
    assert.same({ "name holds a newline" }, warnings_for { name = "a\r\nb" })
    assert.same({ "accessKey begins or ends with white space" },
      warnings_for { accessKey = " AKIA" })
    assert.same({ "name begins or ends with white space" }, warnings_for { name = "a " })
    assert.same({}, warnings_for { name = "a b", accessKey = "" })
    assert.same({ "labels.1 begins or ends with a newline",
      "params.region begins or ends with a newline" },
      warnings_for { params = { region = "eu\n", text = "a\nb\n" }, labels = { "\r\na" } })
  end)

  it("gives all warnings at once", function()
    assert.equal(3, #warnings_for { id = "a-b", name = "x ", expiresAt = "1999-01-01T00:00:00Z" })
  end)

  it("does not change the record", function()
    local secret = record()
    local copy = core.decode(core.encode(secret))
    secrets.validate(secret)
    assert.same(copy, secret)
  end)

  it("raises for what is no table", function()
    raises("validate: secret: table expected, got nil", secrets.validate)
    raises("validate: secret: table expected, got string", secrets.validate, "s3/my-key")
    raises("validate: too many arguments", secrets.validate, record(), 1)
  end)
end)
