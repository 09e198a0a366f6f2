-- bytenite-secrets emulator

local cjson = require "cjson"
local command = require "command"
local environment = require "environment"
local process = require "process"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"

local SIGINT = 2

describe("emulator", function()
  local pid, fd

  before_each(environment.clear)

  after_each(function()
    if pid then
      process.kill(pid, 9)
      process.wait(pid)
      process.close(fd)
    end
    pid = nil
    environment.restore()
    command.clean_up()
  end)

  -- Starts it and returns what it prints.
  local function start(...)
    pid, fd = process.spawn("sh", "-c", 'exec "$0" "$@" 2>/dev/null', os.getenv "LUA",
      "lua/bytenite-secrets", "emulator", ...)
    return process.read(fd)
  end

  local function client_of(url, api_key)
    return assert(secrets.new { base_url = url, api_key = api_key, ignore_env = true })
  end

  it("prints what to paste into a shell, and serves it", function()
    local url, api_key =
      start():match "^export BYTENITE_BASE_URL=(%S+)\nexport BYTENITE_API_KEY=(%S+)\n$"
    local client = client_of(url, api_key)
    assert(client:put({ id = "a", secretType = "s3" }, "MARKER"))
    assert.are.equal(1, #assert(client:list()))
    client:close()
    environment.set { BYTENITE_BASE_URL = url, BYTENITE_API_KEY = api_key }
    assert.matches("s3    a\n", command.run({ "list" }).stdout)
  end)

  it("stops on Ctrl-C with 130", function()
    start()
    process.kill(pid, SIGINT)
    assert.are.equal(130, process.wait(pid))
    process.close(fd)
    pid = nil
  end)

  it("listens where it is told to", function()
    local port = raw_server.free_port()
    assert.matches("^export BYTENITE_BASE_URL=http://127.0.0.1:" .. port .. "\n",
      start("--port", tostring(port)))
    local result = command.run { "emulator", "--port", tostring(port) }
    assert.are.equal(1, result.status)
    assert.matches("bytenite%-secrets: .*" .. port, result.stderr)
  end)

  it("writes JSON", function()
    local found = cjson.decode(start("--json"))
    local client = client_of(found.url, found.apiKey)
    assert.are.same({}, assert(client:list()))
    client:close()
  end)

  it("begins with the secrets of a file, whose keys come from where it says", function()
    environment.set { S3_KEY = "MARKER-1" }
    local path = command.file("seed.json", ([[{ "secrets": [
      { "id": "a", "secretType": "s3", "name": "A", "secretKey": { "env": "S3_KEY" } },
      { "id": "b", "secretType": "s3", "secretKey": { "file": "%s" } },
      { "id": "c", "secretType": "other" } ] }]]):format(command.file("key", "MARKER-2")))
    local found = cjson.decode(start("--json", "--seed", path))
    local client = client_of(found.url, found.apiKey)
    local list = assert(client:list())
    client:close()
    assert.are.same({ "a", "b", "c" }, { list[1].id, list[2].id, list[3].id })
    assert.are.equal("A", list[1].name)
  end)

  it("refuses bad arguments and files", function()
    for _, words in ipairs { { "--port", "x" }, { "--port", "65536" }, { "--port", "-1" },
      { "extra" }, { "--seed" } } do
      table.insert(words, 1, "emulator")
      local result = command.run(words)
      assert.are.equal(2, result.status)
      assert.matches("^Usage: bytenite%-secrets emulator", result.stderr)
    end
    local result = command.run { "emulator", "--seed", command.file("seed.json", "{") }
    assert.are.equal(2, result.status)
    assert.matches("seed.json: not JSON", result.stderr)
    result = command.run { "emulator", "--seed", "/nowhere.json" }
    assert.are.equal(2, result.status)
    assert.matches("/nowhere.json: No such file", result.stderr)
  end)

  it("tells whoever sits at a terminal how to go on", function()
    local terminal = command.on_terminal { "emulator" }
    terminal:expect "the emulator runs until Ctrl-C"
    terminal:type "\3"
    local status, screen = terminal:finish()
    assert.are.equal(130, status)
    assert.matches("bytenite%-secrets: interrupted\r\n$", screen)
  end)
end)
