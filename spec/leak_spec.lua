-- Wherever a text can come out of the module, a marker is looked for that only credentials hold.

local core = require "bytenite.secrets.core"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"

local MARK = "MARKER"

-- Each piece of a credential begins with the marker. The second has what JSON has to escape.
local CREDENTIALS = { "MARKER-4f1c9a7e2b", 'MARKER-4f"\\MARKER-9a7e2b"\nMARKER-00aa/' }

local STATUSES = {
  200, 201, 204, 300, 301, 302, 304, 307, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415,
  418, 422, 429, 451, 500, 501, 502, 503, 504, 505, 511, 599, 600, 999,
}

local RECORD = { id = "my-key", secretType = "s3" }

local emulator, client, events

local function quoted(text)
  return core.encode(text)
end

-- The same JSON string, written with an escape for each byte.
local function escaped(text)
  return '"' .. text:gsub(".", function(byte)
    return ("\\u%04x"):format(byte:byte())
  end):gsub("\n", "\\u000a") .. '"'
end

-- Bodies in which a server tells a credential back, in every place that is ever looked at.
local function echoes(credential)
  local bodies = {}
  for _, write in ipairs { quoted, escaped } do
    local as_it_is = write(credential)
    local within = write("refused {\"key\":" .. quoted(credential) .. "} of the request")
    for _, text in ipairs { as_it_is, within } do
      for _, body in ipairs {
        '{"ok":false,"message":%s}',
        '{"ok":false,"requestId":%s}',
        '{"ok":false,"error":{"code":401,"message":%s}}',
        '{"ok":false,"error":{"code":7,"description":%s}}',
        '{"ok":false,"error":{"code":%s}}',
        '{"code":16,"message":%s,"details":[]}',
        '{"ok":%s}',
        '{"token":%s',
        '{"secrets":%s}',
        '{"message":%s,"requestId":%s}',
      } do
        bodies[#bodies + 1] = body:gsub("%%s", function() return text end)
      end
    end
  end
  bodies[#bodies + 1] = "<html><body>" .. credential .. "</body></html>"
  bodies[#bodies + 1] = credential
  bodies[#bodies + 1] = quoted(credential)
  return bodies
end

-- Raises when the marker stands in a value, or anywhere in a table. There are millions of them,
-- too many for busted's assertions.
local function assert_clean(value, path, seen)
  path, seen = path or "value", seen or {}
  local text = tostring(value)
  if text:find(MARK, 1, true) then error(path .. ": " .. text, 0) end
  if type(value) ~= "table" or seen[value] then return end
  seen[value] = true
  for name, inner in pairs(value) do
    assert_clean(name, path, seen)
    assert_clean(inner, path .. "." .. tostring(name), seen)
  end
end

local function all_clean(...)
  for position = 1, select("#", ...) do
    assert_clean((select(position, ...)))
  end
  assert_clean(events, "events")
  events = {}
  assert_clean(client)
  assert_clean(client:describe())
end

local function connect(options)
  if client then client:close() end
  options.base_url = emulator.url
  options.retries = 0
  options.on_event = function(event)
    events[#events + 1] = event
  end
  client = assert(secrets.new(options))
end

-- Calls once with each status, and once with each body, that tell the credential back.
local function try_all(op, credential, call)
  local function try(status, body)
    emulator:fail { op = op, status = status, body = body }
    all_clean(call())
  end
  for _, write in ipairs { quoted, escaped } do
    local text = write(credential)
    local body = ('{"message":%s,"requestId":%s,"error":{"code":1,"message":%s,"description":%s}}')
      :format(text, text, text, text)
    for _, status in ipairs(STATUSES) do
      try(status, body)
    end
  end
  for _, body in ipairs(echoes(credential)) do
    try(200, body)
    try(400, body)
  end
end

describe("no credential comes out", function()
  before_each(function()
    environment.clear()
    events = {}
    emulator = assert(emulators.start { api_key = CREDENTIALS[1] })
  end)

  after_each(function()
    if client then client:close() end
    client = nil
    emulator:stop()
    environment.restore()
  end)

  it("the marker is found where it stands", function()
    assert.has_error(function() assert_clean({ a = { "x" .. MARK } }) end)
    assert.has_error(function() assert_clean({ [MARK] = true }) end)
  end)

  it("the server's words come out, with stars in the place of the credential", function()
    connect { api_key = emulator.api_key }
    for _, write in ipairs { quoted, escaped } do
      emulator:fail { op = "put", status = 400,
        body = ('{"message":%s,"requestId":"id-1"}'):format(write "the key MARKER-key is bad") }
      local _, err = client:put(RECORD, "MARKER-key")
      assert.equal("the key ********** is bad", err.description)
      assert.equal("id-1", err.requestId)
    end
  end)

  for position, credential in ipairs(CREDENTIALS) do
    it(("of a server that tells secretKey %d back"):format(position), function()
      connect { api_key = emulator.api_key }
      try_all("put", credential, function()
        return client:put(RECORD, credential)
      end)
      try_all("put", credential, function()
        return client:put(RECORD, secrets.from_string(credential))
      end)
    end)

    it(("of a server that tells secretKey %d back with a success"):format(position), function()
      connect { api_key = emulator.api_key }
      for _, write in ipairs { quoted, escaped } do
        local text = write(credential)
        emulator:fail { op = "put", body = ('{"ok":true,"message":%s,"requestId":%s,"x":%s}')
          :format(text, text, text) }
        local receipt = assert(client:put(RECORD, credential))
        assert.is_true(receipt.ok)
        all_clean(receipt)
        emulator:fail { op = "list",
          body = ('{"secrets":[{"id":"k","secretType":"s3","secretKey":%s}]}'):format(text) }
        all_clean(assert(client:list()))
      end
    end)
  end

  it("of a server that tells the API key back", function()
    connect { api_key = emulator.api_key }
    try_all("authenticate", emulator.api_key, function()
      return client:authenticate()
    end)
    try_all("authenticate", emulator.api_key, function()
      connect { api_key = secrets.from_string(emulator.api_key) }
      return client:list()
    end)
  end)

  it("of a server that tells the access token back", function()
    local calls = {
      list = function() return client:list() end,
      put = function() return client:put(RECORD, "x") end,
      delete = function() return client:delete("s3", "my-key") end,
    }
    for _, scheme in ipairs { false, "Bearer" } do
      connect { access_token = CREDENTIALS[1], auth_scheme = scheme or nil }
      for op, call in pairs(calls) do
        try_all(op, CREDENTIALS[1], call)
      end
    end
  end)

  it("of a server that tells back the token that it gave", function()
    emulator:fail { op = "authenticate",
      body = '{"token":"MARKER-of-the-server","expiresIn":"60","scope":"s"}' }
    connect { api_key = "another" }
    assert.same({ expiresIn = 60, scope = "s" }, client:authenticate())
    for _, body in ipairs(echoes "MARKER-of-the-server") do
      emulator:fail { op = "list", status = 400, body = body }
      all_clean(client:list())
    end
  end)

  it("of the service's own refusals", function()
    connect { api_key = "MARKER-wrong-key" }
    all_clean(client:list())
    all_clean(client:authenticate())
    connect { access_token = "MARKER-wrong-token" }
    all_clean(client:list())
    all_clean(client:put(RECORD, "MARKER-key"))
    all_clean(client:rotate("s3", "my-key", "MARKER-key"))
  end)

  it("of a connection that breaks", function()
    connect { access_token = "MARKER-token" }
    for _, drop in ipairs { "before", "after", "midway" } do
      emulator:fail { drop = drop, times = 6 }
      all_clean(client:put(RECORD, "MARKER-key"))
      emulator:stop()
      emulator = assert(emulators.start { api_key = CREDENTIALS[1] })
      connect { access_token = "MARKER-token" }
    end
    emulator:stop()
    all_clean(client:put(RECORD, "MARKER-key"))
  end)

  it("of values that are refused before anything is sent", function()
    connect { api_key = "k" }
    for _, text in ipairs { "MARKER\255", ("MARKER"):rep(20000) } do
      all_clean(client:put(RECORD, text))
      all_clean(client:put(RECORD, function() return text end))
    end
    for _, name in ipairs { "api_key", "access_token" } do
      for _, text in ipairs { "MARKER\n\n", "MARKER\255", ("MARKER"):rep(20000) } do
        all_clean(secrets.new { [name] = text })
        all_clean(secrets.new { [name] = secrets.from_string(text:sub(1, 60000)) })
        connect { [name] = function() return text end }
        all_clean(client:list())
      end
    end
    all_clean(secrets.new { api_key = "MARKER-a", access_token = "MARKER-b" })
    all_clean(secrets.from_string(("MARKER"):rep(20000)))
  end)

  it("of misuse", function()
    connect { api_key = "k" }
    for _, called in ipairs {
      function() secrets.new("MARKER") end,
      function() secrets.new { "MARKER" } end,
      function() secrets.new { api_key = { "MARKER" } } end,
      function() client:put("MARKER", RECORD) end,
      function() client:put(RECORD, { "MARKER" }) end,
      function() client:put({ id = "k", secretType = "s3", secretKey = "MARKER" }, "x") end,
      function() client:put({ id = "k", secretType = "s3", secret_key = "MARKER" }, "x") end,
      function() client:put(RECORD, "x", "MARKER") end,
      function() client:rotate("s3", "k", "x", "MARKER") end,
      function() return "" .. secrets.from_string "MARKER" end,
      function() return secrets.from_string "MARKER" < secrets.from_string "MARKER" end,
    } do
      local ok, message = pcall(called)
      assert.is_false(ok)
      assert_clean(message)
    end
  end)

  it("of the environment", function()
    for _, name in ipairs { "BYTENITE_API_KEY", "BYTENITE_ACCESS_TOKEN" } do
      environment.set { [name] = "MARKER-key" }
      connect {}
      all_clean(client:list())
      environment.set { [name] = "MARKER\n\n" }
      all_clean(secrets.new())
      environment.set { [name] = false }
    end
    environment.set { SPEC_KEY = ("MARKER"):rep(20000) }
    all_clean(secrets.from_env "SPEC_KEY")
    environment.set { SPEC_KEY = false }
  end)

  it("on the standard error of a program that fails", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write [[
      local secrets = require "bytenite.secrets"
      local key = secrets.from_env "SPEC_KEY"
      local record = { id = "my-key", secretType = "s3" }
      io.stderr:write(tostring(key), "\n")
      local steps = {
        function() assert(secrets.list()) end,
        function() assert(secrets.put(record, key)) end,
        function() error("cannot put " .. key) end,
        function() secrets.put(key, record) end,
      }
      steps[tonumber(arg[1])]()
    ]]
    file:close()
    environment.set {
      BYTENITE_API_KEY = "MARKER-wrong-key", BYTENITE_BASE_URL = emulator.url,
      SPEC_KEY = "MARKER-key",
    }
    for step = 1, 4 do
      local pipe = io.popen(("%s %s %d 2>&1; echo status $?"):format(os.getenv "LUA" or "lua", path,
        step))
      local output = pipe:read("*a")
      pipe:close()
      assert.matches("SecretString%(%*%*%*%*%)", output)
      assert.matches("status 1\n$", output)
      assert_clean(output)
    end
    os.remove(path)
  end)
end)
