-- The settings that decide through what and trusting whom a client connects.

local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local secrets = require "bytenite.secrets"
local socket = require "socket"

-- Nobody listens on port 1, and this address of the own machine does not count as loopback.
local CLOSED = "http://127.0.0.1:1"
local ELSEWHERE = "https://0.0.0.0:1"

local clients, places, proxy

local function new(options)
  options.api_key = options.api_key or "hunter2-the-key"
  options.retries, options.timeout = 0, options.timeout or 0.5
  local client, err = secrets.new(options)
  clients[#clients + 1] = client
  return client, err
end

local function refused(pattern, client, err)
  assert.is_nil(client)
  assert.equal("config", err.kind)
  assert.equal("new", err.op)
  assert.matches("^new: " .. pattern, err.message)
  assert.is_nil(tostring(err):find("hunter2", 1, true))
end

local function file_with(text)
  local path = os.tmpname()
  places[#places + 1] = path
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- A socket that plays the proxy: it takes connections and answers nothing.
local function start_proxy()
  proxy = assert(socket.bind("127.0.0.1", 0))
  proxy:settimeout(0)
  local _, port = proxy:getsockname()
  return "127.0.0.1:" .. port
end

-- What the proxy was sent on the next connection; nil when there is none.
local function received()
  local connection = proxy:accept()
  if not connection then return nil end
  connection:settimeout(1)
  local bytes, _, part = connection:receive("*a")
  connection:close()
  return bytes or part
end

describe("the network settings", function()
  before_each(function()
    clients, places, proxy = {}, {}, nil
    environment.clear()
  end)

  after_each(function()
    for _, client in pairs(clients) do
      client:close()
    end
    for _, path in ipairs(places) do
      os.remove(path)
    end
    if proxy then proxy:close() end
    environment.restore()
  end)

  describe("proxy", function()
    it("is tunnelled through, and sees neither token nor key", function()
      local client = new { base_url = ELSEWHERE, proxy = "http://" .. start_proxy() }
      local list, err = client:list()
      assert.is_nil(list)
      assert.is_truthy(({ timeout = true, network = true })[err.kind])
      local sent = received()
      assert.matches("^CONNECT 0%.0%.0%.0:1 HTTP/1%.1\r\n", sent)
      assert.is_nil(sent:find("hunter2", 1, true))
      assert.is_nil(sent:lower():find("\r\nauthorization", 1, true))
    end)

    it("comes from any of the usual variables, or our own", function()
      for _, name in ipairs {
        "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "BYTENITE_PROXY",
      } do
        environment.set { [name] = "http://" .. start_proxy() }
        local client = new { base_url = ELSEWHERE }
        assert.equal("environment", client:describe().proxy.source)
        client:list()
        environment.set { [name] = false }
        assert.matches("^CONNECT 0%.0%.0%.0:1 ", received() or "nothing from " .. name)
        proxy:close()
      end
    end)

    it("may be given without a scheme", function()
      local client = new { base_url = ELSEWHERE, proxy = start_proxy() }
      client:list()
      assert.matches("^CONNECT ", received())
    end)

    it("is the option before our variable before the usual ones", function()
      environment.set { https_proxy = "http://usual:1" }
      assert.equal("http://usual:1", new({ base_url = ELSEWHERE }):describe().proxy.value)
      environment.set { BYTENITE_PROXY = "http://ours:1" }
      assert.equal("http://ours:1", new({ base_url = ELSEWHERE }):describe().proxy.value)
      local described = new({ base_url = ELSEWHERE, proxy = "http://option:1" }):describe()
      assert.same({ value = "http://option:1", source = "option" }, described.proxy)
    end)

    it("is none when the option is empty", function()
      environment.set { https_proxy = "http://" .. start_proxy() }
      new({ base_url = ELSEWHERE, proxy = "" }):list()
      assert.is_nil(received())
    end)

    it("is passed by for what NO_PROXY names", function()
      environment.set { https_proxy = "http://" .. start_proxy() }
      for _, name in ipairs { "no_proxy", "NO_PROXY" } do
        for _, value in ipairs { "0.0.0.0", "other.example,0.0.0.0", "*" } do
          environment.set { [name] = value }
          new({ base_url = ELSEWHERE }):list()
          assert.is_nil(received(), name)
        end
        environment.set { [name] = "other.example" }
        new({ base_url = ELSEWHERE }):list()
        assert.matches("^CONNECT ", received())
        environment.set { [name] = false }
      end
    end)

    it("from the usual variables is never used to this machine", function()
      local emulator = assert(emulators.start())
      for _, name in ipairs {
        "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY",
      } do
        for _, value in ipairs { CLOSED, "nonsense:" } do
          environment.set { [name] = value }
          local port = emulator.url:match("%d+$")
          for _, host in ipairs { "127.0.0.1", "localhost" } do
            local url = ("http://%s:%s"):format(host, port)
            local client = assert(new {
              base_url = url, api_key = emulator.api_key, timeout = 5,
            })
            assert.same({}, client:list(), name)
          end
          environment.set { [name] = false }
        end
      end
      emulator:stop()
    end)

    it("from the usual variables is not used either where its name is written in a rare way",
      function()
        local emulator = assert(emulators.start())
        environment.set { https_proxy = CLOSED, all_proxy = CLOSED }
        for _, host in ipairs { "127.1", "0x7f.0.0.1", "127.0.1" } do
          local url = ("http://%s:%s"):format(host, emulator.url:match("%d+$"))
          local client = assert(new { base_url = url, api_key = emulator.api_key, timeout = 5 })
          assert.same({}, client:list(), host)
        end
        emulator:stop()
      end)

    it("from the usual variables is not told of for this machine", function()
      environment.set { https_proxy = CLOSED }
      for _, host in ipairs { "127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "[::1]" } do
        for _, url in ipairs { "https://%s", "https://%s:8443/x", "https://%s/x" } do
          assert.same({ source = "default" },
            new({ base_url = url:format(host) }):describe().proxy, host)
        end
      end
      for _, host in ipairs { "127.evil.com", "localhost.evil.com", "[::2]", "api.example" } do
        assert.equal(CLOSED,
          new({ base_url = "https://" .. host }):describe().proxy.value, host)
      end
    end)

    it("given on purpose is used to this machine too", function()
      local emulator = assert(emulators.start())
      for _, options in ipairs { { proxy = CLOSED }, {} } do
        if not options.proxy then environment.set { BYTENITE_PROXY = CLOSED } end
        options.base_url, options.api_key = emulator.url, emulator.api_key
        local list, err = new(options):list()
        assert.is_nil(list)
        assert.equal("network", err.kind)
      end
      assert.same({}, emulator:requests())
      emulator:stop()
    end)

    it("is a URL that leaves no doubt, or a config error that names where it came from", function()
      for _, text in ipairs {
        "ftp://proxy.example", "http://", "http://proxy.example:port", "http://proxy.example:0",
        "http://proxy.example:65536", "pro xy", "http://proxy.example/path", "//proxy.example",
        "http://me:hunter2@", "http://me:hunter2@pro<xy", "http://me:hunter2@[::1",
        "http://me:hun/ter2@proxy.example", "http://me:hunter2%00@proxy.example",
        "http://me:hunter2%1F@proxy.example", "http://me:hun@ter2@proxy.example",
        "http://me:hunter2@proxy.example:port", "http://proxy.example\n", "http://proxy\0.example",
      } do
        refused("option proxy is not a proxy such as", new { base_url = ELSEWHERE, proxy = text })
        if not text:find("\0", 1, true) then
          for _, name in ipairs { "BYTENITE_PROXY", "https_proxy", "ALL_PROXY" } do
            environment.set { [name] = text }
            refused(name .. " is not a proxy such as", new { base_url = ELSEWHERE })
            environment.set { [name] = false }
          end
        end
      end
      for _, text in ipairs {
        "http://proxy.example", "https://proxy.example:3129/", "socks5h://me:pass@10.0.0.1:1080",
        "http://[::1]:3128", "proxy_1.example:8080", "HTTP://me:p%40ss@proxy.example:65535",
      } do
        assert.truthy(new { base_url = ELSEWHERE, proxy = text })
      end
    end)

    it("is shown without its login, and appears in errors without it", function()
      for given, shown in pairs {
        ["http://me:hunter2@127.0.0.1:1"] = "http://127.0.0.1:1",
        ["me:hunter2@127.0.0.1:1"] = "127.0.0.1:1",
        ["HTTP://me:hunter2%40%zz^@127.0.0.1:1/"] = "HTTP://127.0.0.1:1/",
      } do
        local client = new { base_url = ELSEWHERE, proxy = given }
        assert.equal(shown, client:describe().proxy.value)
        local _, err = client:list()
        assert.is_nil((tostring(err) .. (err.cause or "")):find("hunter2", 1, true))
      end
    end)
  end)

  describe("ca_file", function()
    local PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

    it("is a PEM file, from the option or the environment", function()
      assert.truthy(new { ca_file = file_with(PEM) })
      environment.set { BYTENITE_CA_FILE = file_with(PEM) }
      assert.equal("environment", new({}):describe().ca_file.source)
    end)

    it("is a config error when it is missing, unreadable or not PEM", function()
      for path, pattern in pairs {
        ["/no/such/file"] = "ca_file cannot be opened",
        [""] = "ca_file cannot be opened",
        ["/tmp"] = "ca_file cannot be read as a file",
        ["/dev/null"] = "ca_file cannot be read as a file",
        [file_with ""] = "ca_file holds no PEM certificate",
        [file_with "MIIB"] = "ca_file holds no PEM certificate",
        [file_with(PEM) .. "\0"] = "ca_file holds a zero byte",
      } do
        refused("option " .. pattern, new { ca_file = path })
      end
    end)

    it("of the environment is named as the variable", function()
      environment.set { BYTENITE_CA_FILE = "/no/such/file" }
      refused("BYTENITE_CA_FILE cannot be opened", new {})
      environment.set { BYTENITE_CA_FILE = file_with "MIIB" }
      refused("BYTENITE_CA_FILE holds no PEM certificate", new {})
    end)

    it("is needed no more once the client is made", function()
      local path = file_with(PEM)
      local client = new { base_url = ELSEWHERE, ca_file = path }
      os.remove(path)
      local _, err = client:list()
      assert.equal("network", err.kind) -- nobody listens there
    end)
  end)

  describe("client_cert and client_key", function()
    it("are files that can be read", function()
      local path = file_with "PEM"
      assert.truthy(new { client_cert = path })
      assert.truthy(new { client_cert = path, client_key = path })
    end)

    it("are config errors when they cannot be read", function()
      refused("option client_cert: /no/file: No such file", new { client_cert = "/no/file" })
      refused("option client_cert: /tmp: Is a directory", new { client_cert = "/tmp" })
      refused("option client_key: /no/file: No such file",
        new { client_cert = file_with "PEM", client_key = "/no/file" })
      refused("option client_key: /tmp: Is a directory",
        new { client_cert = file_with "PEM", client_key = "/tmp" })
      refused("option client_cert holds a zero byte", new { client_cert = file_with "PEM" .. "\0" })
    end)

    it("go together: a key without a certificate is a config error", function()
      refused("option client_key is given without client_cert",
        new { client_key = file_with "PEM" })
    end)
  end)

  it("take a ca_path without a zero byte", function()
    assert.truthy(new { ca_path = "/etc/ssl/certs" })
    refused("option ca_path holds a zero byte", new { ca_path = "/etc/ssl/certs\0" })
  end)
end)
