-- bytenite-secrets doctor

local cjson = require "cjson"
local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"

describe("doctor", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start { api_key = "MARKER-api-key" })
    environment.set {
      BYTENITE_BASE_URL = emulator.url, BYTENITE_API_KEY = emulator.api_key, TERM = "xterm",
      BYTENITE_RETRIES = "0", NO_COLOR = false,
    }
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  local function examine()
    local result = command.run { "doctor", "--json" }
    return cjson.decode(result.stdout), result
  end

  it("shows that all is well", function()
    environment.set { BYTENITE_TIMEOUT = "7" }
    local result = command.run { "doctor" }
    assert.are.equal(0, result.status)
    assert.are.equal("", result.stderr)
    local info = secrets.info()
    for _, line in ipairs {
      "version            " .. info.version, "lua                " .. info.lua,
      "libcurl            " .. info.libcurl, "tls                " .. info.tls,
      "cjson              " .. info.cjson, "api_key            (set) (BYTENITE_API_KEY)",
      "base_url           " .. emulator.url .. " (BYTENITE_BASE_URL)",
      "timeout            7 (BYTENITE_TIMEOUT)", "deadline           30 (default)",
      "proxy in effect    none", "credential         accepted",
      "memory is wiped    " .. (info.scrub and "yes" or "no"),
      "memory is locked   " .. (info.memory_lock and "yes" or "no"),
    } do
      assert.is_truthy(("\n" .. result.stdout):find("\n" .. line .. "\n", 1, true),
        line .. " in\n" .. result.stdout)
    end
    assert.matches("\nCA store           %S", result.stdout)
    assert.matches("\nservice            reached in %d+%.%d%d s\n", result.stdout)
    assert.matches("\nclock              [+-]%d s from the service's\n", result.stdout)
  end)

  it("writes JSON with the same names whatever it finds", function()
    local found, result = examine()
    assert.are.equal(0, result.status)
    assert.are.equal(cjson.null, found.error)
    assert.are.same({ reached = true, seconds = found.service.seconds, problem = cjson.null },
      found.service)
    assert.are.same({ found = true, accepted = true }, found.credential)
    assert.is_true(math.abs(found.clock.ahead) < 5)
    assert.are.same({ value = "(set)", source = "environment", variable = "BYTENITE_API_KEY" },
      found.settings.api_key)
    for name, setting in pairs(found.settings) do
      assert.is_true(setting.source == "environment" or setting.source == "default", name)
      assert.are.equal(setting.source == "default", setting.variable == cjson.null, name)
    end
    assert.are.same({ value = cjson.null, source = "default", variable = cjson.null },
      found.settings.ca_file)
    assert.are.equal(cjson.null, found.proxy)
    local info = secrets.info()
    assert.are.same({ scrub = info.scrub, memory_lock = info.memory_lock,
      warnings = info.warnings }, found.hygiene)
    local names = {}
    for name in pairs(found) do
      names[#names + 1] = name
    end
    environment.set { BYTENITE_TIMEOUT = "x" }
    found = examine()
    for _, name in ipairs(names) do
      assert.is_not_nil(found[name])
    end
  end)

  it("tells a credential that is refused from a service that is not reached", function()
    environment.set { BYTENITE_API_KEY = "MARKER-another" }
    local found, result = examine()
    assert.are.equal(3, result.status)
    assert.is_true(found.service.reached)
    assert.are.same({ found = true, accepted = false }, found.credential)
    assert.are.equal("unauthorized", found.error.kind)
    assert.matches("not authenticated", result.stderr)
    environment.set { BYTENITE_BASE_URL = "http://127.0.0.1:" .. raw_server.free_port() }
    found, result = examine()
    assert.are.equal(6, result.status)
    assert.is_false(found.service.reached)
    assert.are.same({ found = true, accepted = cjson.null }, found.credential)
    assert.are.same({ ahead = cjson.null }, found.clock)
    assert.matches("\n  Next: check the network and the proxy settings\n$", result.stderr)
    assert.matches("service            not reached: list: .*no answer from the service",
      command.run({ "doctor" }).stdout)
  end)

  it("without a credential still looks for the service", function()
    environment.set { BYTENITE_API_KEY = false }
    local found, result = examine()
    assert.are.equal(2, result.status)
    assert.is_true(found.service.reached)
    assert.are.same({ found = false, accepted = cjson.null }, found.credential)
    assert.is_nil(found.settings.access_token)
    assert.are.equal("config", found.error.kind)
    assert.matches("no credential is set", result.stderr)
    assert.matches("credential         none\n", command.run({ "doctor" }).stdout)
    environment.set { BYTENITE_BASE_URL = "http://127.0.0.1:" .. raw_server.free_port() }
    found, result = examine()
    assert.are.equal(2, result.status)
    assert.is_false(found.service.reached)
    assert.matches("no answer from the service", found.service.problem)
  end)

  it("with a setting that cannot be used shows the rest", function()
    environment.set { BYTENITE_TIMEOUT = "x" }
    local result = command.run { "doctor" }
    assert.are.equal(2, result.status)
    assert.matches("libcurl", result.stdout)
    assert.matches("BYTENITE_TIMEOUT", result.stderr)
  end)

  it("shows the proxy in effect without its password", function()
    environment.set {
      BYTENITE_BASE_URL = "https://secrets.example", NO_PROXY = "internal.example",
      HTTPS_PROXY = "http://user:MARKER@127.0.0.1:" .. raw_server.free_port(),
    }
    local found, result = examine()
    assert.are.equal(6, result.status)
    assert.matches("^http://127%.0%.0%.1:%d+$", found.proxy.url)
    assert.are.equal("internal.example", found.proxy.except)
    assert.matches("proxy in effect    http://127%.0%.0%.1:%d+, not for internal.example\n",
      command.run({ "doctor" }).stdout)
    -- NO_PROXY goes with the usual variables only.
    environment.set { BYTENITE_PROXY = "http://127.0.0.1:" .. raw_server.free_port() }
    assert.are.equal(cjson.null, examine().proxy.except)
  end)

  it("names the variable that a setting comes from", function()
    local proxy = "http://127.0.0.1:" .. raw_server.free_port()
    for _, case in ipairs {
      { "base_url", "BYTENITE_BASE_URL", {} },
      { "api_key", "BYTENITE_API_KEY", {} },
      { "api_key", "BYTENITE_API_KEY_FILE", { BYTENITE_API_KEY = false,
        BYTENITE_API_KEY_FILE = command.file("key", "MARKER-api-key") } },
      { "access_token", "BYTENITE_ACCESS_TOKEN", { BYTENITE_API_KEY_FILE = false,
        BYTENITE_ACCESS_TOKEN = "MARKER" } },
      { "proxy", "all_proxy", { BYTENITE_BASE_URL = "https://secrets.example",
        all_proxy = proxy } },
      { "proxy", "HTTPS_PROXY", { HTTPS_PROXY = proxy } },
      { "proxy", "BYTENITE_PROXY", { BYTENITE_PROXY = proxy } },
    } do
      environment.set(case[3])
      local setting = examine().settings[case[1]]
      assert.are.same({ "environment", case[2] }, { setting.source, setting.variable })
    end
  end)

  it("measures a clock that is wrong", function()
    emulator:fail { op = "list", body = '{"secrets":[]}', times = 2,
      headers = { Date = "Thu, 01 Jan 2015 00:00:00 GMT" } }
    local found = examine()
    assert.is_true(found.clock.ahead > 10 * 365 * 86400)
    local _, screen = command.watch { "doctor", columns = 200 }
    assert.matches("clock              \27%[31m%+%d+ s from the service's\27%[0m\n", screen)
  end)

  it("warns of what weakens the protection of secrets", function()
    environment.set { SSLKEYLOGFILE = "/dev/null" }
    local result = command.run { "doctor" }
    assert.matches("\nwarning            SSLKEYLOGFILE is set", result.stdout)
  end)

  it("is coloured on a terminal only", function()
    local _, screen = command.watch { "doctor", columns = 200 }
    assert.matches("credential         \27%[32maccepted\27%[0m\n", screen)
    _, screen = command.watch { "doctor", columns = 200, before = "NO_COLOR=1" }
    assert.not_matches("\27", screen)
  end)
end)
