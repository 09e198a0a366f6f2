-- Exit codes: one for each class of failure, whatever the command.

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local faults = require "faults"
local raw_server = require "raw_server"

describe("A failure", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { seed = { { id = "a", secretType = "s3" } } })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key,
      BYTENITE_RETRIES = "0",
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
    faults.clean_up()
  end)

  local COMMANDS = {
    list = { { "list" }, { "get", "s3/a" }, { "env" }, { "doctor" }, { "plan", "FILE" } },
    put = { { "put", "s3/a", input = "MARKER" }, { "rotate", "s3/a", input = "MARKER" },
      { "apply", "FILE", "--yes" } },
    delete = { { "delete", "s3/a" }, { "delete", "s3/a", "s3/b", "--yes" } },
  }

  -- Runs each command while the service fails in some way at what it is about; or only the first
  -- of each operation.
  local function each(fault, check, first_only)
    local path = command.file("file.json",
      '{ "secrets": [ { "id": "b", "secretType": "s3", "secretKey": { "env": "HOME" } } ] }')
    for op, commands in pairs(COMMANDS) do
      for position, words in ipairs(commands) do
        if first_only and position > 1 then break end
        local copy = {}
        for name, word in pairs(words) do
          copy[name] = word == "FILE" and path or word
        end
        fault.op, fault.times = op, 1000
        emulator:fail(fault)
        local result = command.run(copy)
        check(result, table.concat(words, " ") .. ": " .. result.stderr)
      end
      emulator:stop()
      emulator = assert(emulators.start { seed = { { id = "a", secretType = "s3" } } })
      environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
      path = command.file("file.json",
        '{ "secrets": [ { "id": "b", "secretType": "s3", "secretKey": { "env": "HOME" } } ] }')
    end
  end

  local function ends_with(code)
    return function(result, words)
      assert.are.equal(code, result.status, words)
      assert.matches("bytenite%-secrets: ", result.stderr)
    end
  end

  for status, code in pairs {
    [400] = 5, [401] = 3, [403] = 3, [408] = 6, [409] = 5, [412] = 5, [422] = 5, [429] = 7,
    [500] = 7, [501] = 7, [502] = 7, [503] = 7, [504] = 7, [302] = 6,
  } do
    it(("of HTTP %d ends with %d"):format(status, code), function()
      each({ status = status }, ends_with(code), status ~= 403)
    end)
  end

  it("under 200 ends with 5", function()
    for _, words in ipairs(COMMANDS.put) do
      if words[1] ~= "apply" then
        emulator:fail { op = "put", body = '{"ok":false,"error":{"message":"no"}}' }
        assert.are.equal(5, command.run(words).status)
      end
    end
  end)

  it("of a lost connection ends with 6, and says that a write may have been applied", function()
    each({ drop = "before" }, function(result, words)
      assert.are.equal(6, result.status, words)
    end)
    emulator:fail { op = "put", drop = "midway" }
    local result = command.run { "put", "s3/a", input = "MARKER" }
    assert.matches("It may have been applied all the same", result.stderr)
  end)

  it("of time ends with 6", function()
    environment.set { BYTENITE_TIMEOUT = "0.3" }
    each({ delay = 20 }, ends_with(6))
  end)

  it("of the network ends with 6", function()
    environment.set { BYTENITE_BASE_URL = "http://127.0.0.1:" .. raw_server.free_port() }
    ends_with(6)(command.run { "list" }, "list")
  end)

  it("of TLS ends with 6", function()
    local certificates = require "certificates"
    local server = faults.server { faults.honest(raw_server.tls(certificates.good)) }
    environment.set { BYTENITE_BASE_URL = faults.https(server.url) }
    local result = command.run { "list" }
    assert.are.equal(6, result.status)
    assert.matches("no trusted connection", result.stderr)
  end)

  it("of the answer's form ends with 6", function()
    emulator:fail { op = "list", body = "<html>", times = 2 }
    ends_with(6)(command.run { "list" }, "list")
  end)

  it("F2: of a path too many in BYTENITE_BASE_URL ends with 6 and says to check it", function()
    environment.set { BYTENITE_BASE_URL = emulator.url .. "/api" }
    local path = command.file("file.json",
      '{ "secrets": [ { "id": "b", "secretType": "s3", "secretKey": { "env": "HOME" } } ] }')
    for _, commands in pairs(COMMANDS) do
      for _, words in ipairs(commands) do
        local copy = { input = words.input }
        for position, word in ipairs(words) do
          copy[position] = word == "FILE" and path or word
        end
        local result = command.run(copy)
        assert.are.equal(6, result.status, table.concat(words, " "))
        assert.matches("the service has nothing at this address", result.stderr)
        assert.not_matches("shows what there is", result.stderr)
        assert.not_matches("no such secret", result.stderr)
        -- Of several failures each has one line.
        if not words[3] or words[1] ~= "delete" then assert.matches("base_url", result.stderr) end
      end
    end
    assert.are.equal(1, #emulator:secrets())
  end)

  it("F2: of 404 in HTML ends with 6", function()
    each({ status = 404, body = "<html>", headers = { ["Content-Type"] = "text/html" } },
      function(result, words)
        assert.are.equal(6, result.status, words)
        assert.matches("nothing at this address", result.stderr)
        assert.not_matches("shows what there is", result.stderr)
      end)
  end)

  it("F2: of 404 to a listing says to check the address", function()
    emulator:fail { op = "list", status = 404 }
    local result = command.run { "list" }
    assert.are.equal(4, result.status)
    assert.matches("base_url", result.stderr)
    assert.not_matches("shows what there is", result.stderr)
  end)

  it("of an API key ends with 3 before anything is written", function()
    environment.set { BYTENITE_API_KEY = "another" }
    local result = command.run { "put", "s3/b", input = "MARKER" }
    assert.are.equal(3, result.status)
    assert.matches("Next: check BYTENITE_API_KEY", result.stderr)
    assert.matches("Request id: emulator%-1", result.stderr)
    assert.are.equal(1, #emulator:secrets())
  end)

  it("of the settings ends with 2 and sends nothing", function()
    for name, value in pairs {
      BYTENITE_TIMEOUT = "x", BYTENITE_BASE_URL = "http://example.com", BYTENITE_CA_FILE = "/none",
      BYTENITE_ACCESS_TOKEN = "both", BYTENITE_RETRIES = "99",
    } do
      environment.set { [name] = value }
      local result = command.run { "list" }
      assert.are.equal(2, result.status)
      assert.matches(name, result.stderr)
      environment.set { [name] = false }
      environment.set { BYTENITE_BASE_URL = emulator.url }
    end
    assert.are.same({}, emulator:requests())
  end)
end)

describe("Standard output", function()
  local emulator

  before_each(function()
    environment.clear()
    local seed = {}
    for number = 1, 2000 do
      seed[number] = { id = "id" .. number, secretType = "s3", name = ("x"):rep(100) }
    end
    emulator = assert(emulators.start { seed = seed })
    environment.set { BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local function through(script)
    local shell = require "shell"
    return (shell(('bash -c \'%s\' 2>&1'):format(script:gsub("COMMAND", command.program))))
  end

  it("that nobody reads any more ends the command quietly", function()
    for signal, status in pairs { default = 141, ignore = 1 } do
      assert.are.equal(("{\n%d\n"):format(status),
        through(("env --%s-signal=PIPE COMMAND list --json | head -n 1; echo ${PIPESTATUS[0]}")
          :format(signal)))
    end
  end)

  it("that is closed is a failure, and nothing takes its place", function()
    assert.are.equal("bytenite-secrets: standard output: Bad file descriptor\n1\n",
      through "COMMAND get s3/id1 >&-; echo $?")
    assert.are.equal("1\n", through "COMMAND get s3/id1 <&- >&- 2>&-; echo $?")
    assert.are.equal("bytenite-secrets: the key on standard input cannot be read\n2\n",
      through "COMMAND put s3/a <&-; echo $?")
  end)

  it("that is full is a failure", function()
    for _, words in ipairs { "list", "list --json", "version" } do
      assert.are.equal("bytenite-secrets: standard output: No space left on device\n1\n",
        through("COMMAND " .. words .. " >/dev/full; echo $?"))
    end
  end)

  it("F15: that is full is a failure for help and completion too", function()
    for _, words in ipairs {
      "--help", "-h", "list --help", "put s3/a -h", "completion --help", "completion bash",
      "completion zsh", "completion fish",
    } do
      assert.are.equal("bytenite-secrets: standard output: No space left on device\n1\n",
        through("COMMAND " .. words .. " >/dev/full; echo $?"))
    end
  end)
end)
