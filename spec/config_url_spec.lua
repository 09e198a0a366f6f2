local environment = require "environment"
local secrets = require "bytenite.secrets"
local service = require "service"

local function new(url, options)
  options = options or {}
  options.base_url, options.api_key = url, options.api_key or "key"
  return service.keep(secrets.new(options))
end

local function accepted(url, options)
  local client, err = new(url, options)
  assert(client, err and ("%s: %s"):format(url, err))
  assert.equal(url, client:describe().base_url.value)
end

local function refused(pattern, url, options)
  local client, err = new(url, options)
  assert.is_nil(client, url)
  assert.equal("config", err.kind)
  assert.equal("new", err.op)
  assert.matches("^new: option base_url " .. pattern, err.message)
  assert.is_nil(tostring(err):find("hunter2", 1, true))
end

describe("base_url", function()
  before_each(environment.clear)

  after_each(function()
    service.release()
    environment.restore()
  end)

  it("is an https URL, with a port and a path if need be", function()
    for _, url in ipairs {
      "https://api.example", "https://api.example/", "https://api.example:8443",
      "https://api.example/prefix", "https://api.example/a/b/", "HTTPS://API.EXAMPLE",
      "https://10.0.0.1", "https://[2001:db8::1]:8443/x", "https://api.example/a...b/~x",
    } do
      accepted(url)
    end
  end)

  it("may be plain http to this machine", function()
    for _, url in ipairs {
      "http://localhost", "http://localhost:8080", "http://127.0.0.1", "http://127.1.2.3:80/x",
      "http://127.255.255.255", "http://[::1]", "http://[::1]:8080/x",
    } do
      accepted(url)
    end
  end)

  it("is not plain http to any other, whatever its name looks like", function()
    for _, url in ipairs {
      "http://api.example", "http://127.evil.com", "http://127.0.0.1.evil.com", "http://10.0.0.1",
      "http://localhost.evil.com", "http://128.0.0.1", "http://126.255.255.255", "http://0.0.0.0",
      "http://[::2]", "http://[2001:db8::1]", "http://evil.com/localhost", "http://a127.0.0.1",
    } do
      refused("is plain http to another machine: use https, or allow_http", url)
    end
  end)

  it("may be plain http to any machine with allow_http", function()
    accepted("http://api.example", { allow_http = true })
    refused("is plain http", "http://api.example", { allow_http = false })
  end)

  it("is followed to where it leads with allow_http", function()
    local emulator = service.start()
    -- An address of this machine that does not count as such.
    local url = emulator.url:gsub("127%.0%.0%.1", "0.0.0.0")
    local client = new(url, { api_key = emulator.api_key, allow_http = true, retries = 0 })
    local list, err = client:list()
    assert.same({}, list, err)
  end)

  it("has no other scheme", function()
    for _, url in ipairs {
      "ftp://api.example", "file:///etc/passwd", "file://localhost/etc/passwd",
      "gopher://localhost", "ws://localhost", "httpss://localhost",
    } do
      local client, err = new(url, { allow_http = true })
      assert.is_nil(client, url)
      assert.equal("config", err.kind)
      assert.matches("option base_url", err.message)
    end
    refused("has a scheme other than https", "ftp://api.example")
  end)

  it("carries no credentials", function()
    for _, url in ipairs {
      "https://me:hunter2@api.example", "https://hunter2@api.example", "https://:@api.example",
      "https://@api.example", "http://localhost@evil.com", "http://localhost:80@evil.com",
      "https://me:hunter2@api.example/a@b",
    } do
      refused("holds credentials", url)
    end
    accepted("https://api.example/a@b")
  end)

  it("has no query and no fragment", function()
    refused("has a query", "https://api.example?x=1")
    refused("has a query", "https://api.example/?")
    refused("has a query", "https://api.example?@evil.com")
    refused("has a fragment", "https://api.example#x")
    refused("has a fragment", "http://localhost#@evil.com")
  end)

  it("has no dot segments in its path", function()
    for _, url in ipairs {
      "https://api.example/.", "https://api.example/..", "https://api.example/a/../b",
      "https://api.example/./a", "https://api.example//../a", "https://api.example/a/..",
    } do
      refused("has %. or %.%. in its path", url)
    end
  end)

  it("holds nothing that others read in another way", function()
    for _, url in ipairs {
      "https://api.example/a b", " https://api.example", "https://api.example\n",
      "https://api.example\r\nX: y", "https://evil.com\\@api.example", "https://exämple.com",
      "https://api.example\127", "https://api.example/\t",
    } do
      refused("holds a space, a control character, a backslash or a letter beyond ASCII", url)
    end
    refused("holds a zero byte", "https://api.example\0.evil.com")
    refused("is longer than 2,048 bytes", "https://api.example/" .. ("x"):rep(2048))
  end)

  it("is a whole URL", function()
    for _, url in ipairs {
      "", "api.example", "api.example:443", "//api.example", "https:", "https://",
      "https:/api.example", "https://:443", "https://api.example:port", "https://api.example:99999",
      "https://[::1", "https://[::g]", "https://a<b", "://api.example",
    } do
      refused("is not a URL such as https://api.bytenite.com", url)
    end
  end)

  it("may carry a path prefix, before which no slash is doubled", function()
    local emulator = service.start()
    for prefix, path in pairs {
      [""] = "", ["/"] = "", ["/tenant"] = "/tenant", ["/a/b/"] = "/a/b", ["/a%20b"] = "/a%20b",
    } do
      local client = new(emulator.url .. prefix, { access_token = nil, retries = 0 })
      client:list()
      local requests = emulator:requests()
      assert.equal(path .. "/v1/auth/access_token", requests[#requests].path)
    end
  end)

  it("from the environment is held to the same rules, and the variable named", function()
    for url, pattern in pairs {
      ["http://api.example"] = "is plain http to another machine",
      ["https://me:hunter2@api.example"] = "holds credentials",
      ["https://api.example?x"] = "has a query",
      [" "] = "holds a space",
    } do
      environment.set { BYTENITE_BASE_URL = url }
      local client, err = secrets.new { api_key = "key" }
      assert.is_nil(client)
      assert.equal("config", err.kind)
      assert.matches("^new: BYTENITE_BASE_URL " .. pattern, err.message)
      assert.is_nil(tostring(err):find("hunter2", 1, true))
    end
  end)
end)
