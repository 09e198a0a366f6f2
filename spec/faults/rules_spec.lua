-- Rules that hold in every request, whatever the server, the environment or the data want: those of
-- the threat model's S1 to S36 that are no rows of the fault matrix.

local certificates = require "certificates"
local environment = require "environment"
local event_loop = require "event_loop"
local faults = require "faults"
local lfs = require "lfs"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"
local shell = require "shell"

local request, hold, flood = raw_server.request, raw_server.hold, raw_server.flood
local encrypt = raw_server.tls(certificates.good)

local function head_of(text)
  return text:match("^(.-\r\n)\r\n")
end

local function start_test()
  environment.clear()
end

local function end_test()
  faults.clean_up()
  environment.restore()
end

-- What `secrets.new` makes of options; nothing may come to the server.
local function refusal(server, options)
  options.ignore_env = true
  options.access_token = options.access_token or faults.TOKEN
  local client, err = secrets.new(options)
  assert.is_nil(client)
  assert.are.same({}, server:requests())
  faults.assert_clean(err)
  return err.kind
end

describe("A base URL", function()
  before_each(start_test)
  after_each(end_test)

  local SCHEMES = { "ftp://127.0.0.1:%d", "gopher://127.0.0.1:%d", "file://127.0.0.1:%d/x",
    "file:///etc/passwd#%d", "http://service.example:%d", "http://127.0.0.1.example:%d",
    "ws://127.0.0.1:%d", "127.0.0.1:%d" }

  for _, url in ipairs(SCHEMES) do
    it(("S3: is refused and not connected to when it is %s"):format(url), function()
      local server = faults.server { { hold } }
      assert.are.equal("config", refusal(server, { base_url = url:format(server.port) }))
    end)
  end

  local PARTS = { "http://u:p@127.0.0.1:%d", "http://u@127.0.0.1:%d", "http://:p@127.0.0.1:%d",
    "http://127.0.0.1:%d?x", "http://127.0.0.1:%d/?x=1", "http://127.0.0.1:%d#f",
    "http://127.0.0.1:%d/a b", "http://127.0.0.1:%d/\r\nX: 1", "http://127.0.0.1:%d/a/../b",
    " http://127.0.0.1:%d", "http://127.0.0.1:%d\\@service.example" }

  for _, url in ipairs(PARTS) do
    it(("S5: is refused and not connected to when it is %q"):format(url), function()
      local server = faults.server { { hold } }
      assert.are.equal("config", refusal(server, { base_url = url:format(server.port) }))
    end)
  end
end)

describe("A credential", function()
  before_each(start_test)
  after_each(end_test)

  local BAD = { "mark3d\r\nX-Injected: 1", "mark3d\n\n", "mark3d\0", "mark3d\127", "mark3d\195\169",
    ("mark3d"):rep(1400) }

  for number, token in ipairs(BAD) do
    it(("S7: that cannot stand in a header never leaves (%d)"):format(number), function()
      local server = faults.server { { hold } }
      assert.are.equal("invalid", refusal(server, { base_url = server.url, access_token = token }))
      local client = faults.client(server.url, "list", { access_token = function()
        return token
      end })
      local list, err = client:list()
      assert.is_nil(list)
      assert.are.equal("invalid", err.kind)
      assert.are.equal(0, err.sends)
      faults.assert_clean(err)
      assert.are.same({}, server:requests())
    end)
  end

  it("S9: of ~/.netrc is not used, not after a 401 either", function()
    local home = os.tmpname()
    os.remove(home)
    assert(lfs.mkdir(home))
    local netrc = assert(io.open(home .. "/.netrc", "w"))
    netrc:write("machine 127.0.0.1 login somebody password mark3d-netrc\n")
    netrc:close()
    environment.set { HOME = home }
    local unauthorized =
      raw_server.answer(401, "{}", 'WWW-Authenticate: Basic realm="x"\r\n')
    local server = faults.server { { request, unauthorized, request, unauthorized } }
    local kinds = faults.child([[
      local kinds = {}
      for number, op in ipairs { "list", "authenticate" } do
        local _, err = faults.call(op, faults.client(given.url, op))
        kinds[number] = err.kind
      end
      return kinds
    ]], { url = server.url })
    os.remove(home .. "/.netrc")
    lfs.rmdir(home)
    assert.are.same({ "unauthorized", "unauthorized" }, kinds)
    local listing, exchange = server:requests()[1][1], server:requests()[2][1]
    assert.are.equal(2, server:sends())
    assert.is_nil((listing .. exchange):find("Basic", 1, true))
    assert.is_truthy(listing:find("\r\nAuthorization: " .. faults.TOKEN .. "\r\n", 1, true))
    assert.is_nil(exchange:find("\r\nAuthorization:", 1, true))
  end)

  it("S20: goes to its own base URL only", function()
    local servers, clients = {}, {}
    for number = 1, 2 do
      servers[number] = faults.server { { request,
        raw_server.answer(200, ('{"token":"granted-%d","expiresIn":"60"}'):format(number)),
        request, faults.HONEST, request, faults.HONEST } }
      clients[number] = faults.client(servers[number].url, "authenticate",
        { api_key = "key-" .. number })
    end
    for _ = 1, 2 do
      assert(clients[1]:list())
      assert(clients[2]:list())
    end
    for number, server in ipairs(servers) do
      local all = table.concat(server:requests()[1])
      assert.is_truthy(all:find("granted-" .. number, 1, true))
      assert.is_truthy(all:find("key-" .. number, 1, true))
      assert.is_nil(all:find("granted-" .. 3 - number, 1, true))
      assert.is_nil(all:find("key-" .. 3 - number, 1, true))
    end
  end)

  it("S21: has connections of its own", function()
    local server = faults.server { faults.honest() }
    for _, token in ipairs { "first", "second", "first" } do
      local client = faults.client(server.url, "list", { access_token = token })
      assert(client:list())
      assert(client:list())
    end
    local connections = server:requests()
    assert.are.equal(3, #connections)
    for number, token in ipairs { "first", "second", "first" } do
      assert.are.equal(2, #connections[number])
      for _, text in ipairs(connections[number]) do
        assert.is_truthy(text:find("\r\nAuthorization: " .. token .. "\r\n", 1, true))
      end
    end
  end)

  it("S26: that the server quotes is not in the error", function()
    for _, op in ipairs(faults.OPS) do
      local secret = op == "authenticate" and faults.API_KEY or faults.TOKEN
      local server = faults.server { { request, raw_server.answer(401,
        ('{"requestId":"%s","error":{"code":16,"message":"%s","description":"token %s, %s"}}')
          :format(secret, secret, secret, secret)) } }
      local value, err = faults.call(op, faults.client(server.url, op))
      assert.is_nil(value)
      assert.are.equal("unauthorized", err.kind)
      assert.is_truthy(err.description)
      faults.assert_clean(err)
    end
  end)
end)

describe("A proxy", function()
  before_each(start_test)
  after_each(end_test)

  -- It tunnels, and plays the server at the other end as well.
  local TUNNEL = { request, "HTTP/1.1 200 Connection established\r\n\r\n",
    raw_server.tls(certificates.wrong_host), request, faults.HONEST }

  local function check_tunnel(server, client)
    assert.are.same({}, client:list())
    local requests = server:requests()[1]
    assert.is_truthy(requests[1]:find("^CONNECT other%.example:443 HTTP/1%.1\r\n"))
    assert.is_nil(requests[1]:find("uthorization", 1, true))
    assert.is_nil(requests[1]:find(faults.MARKER, 1, true))
    assert.is_truthy(requests[2]:find("\r\nAuthorization: " .. faults.TOKEN .. "\r\n", 1, true))
  end

  it("S11: of an option sees no Authorization", function()
    local server = faults.server { TUNNEL }
    check_tunnel(server, faults.client("https://other.example", "list",
      { ca_file = certificates.ca, proxy = server.url }))
  end)

  it("S11: of the environment sees no Authorization", function()
    local server = faults.server { TUNNEL }
    environment.set { https_proxy = server.url }
    check_tunnel(server, faults.client("https://other.example", "list",
      { ca_file = certificates.ca, ignore_env = false }))
  end)

  it("S11: that refuses is a network error, and nothing was sent", function()
    local server = faults.server { { request, raw_server.answer(403, "no") } }
    local _, err = faults.call("put", faults.client("https://other.example", "put",
      { ca_file = certificates.ca, proxy = server.url }))
    assert.are.equal("network", err.kind)
    assert.are.equal(0, err.sends)
    assert.is_false(err.ambiguous)
  end)

  it("S11: of the environment is not used for this machine", function()
    local proxy = faults.server { TUNNEL }
    local server = faults.server { faults.honest(encrypt) }
    environment.set { https_proxy = proxy.url, ALL_PROXY = proxy.url, http_proxy = proxy.url }
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      local client = faults.client(("https://%s:%d"):format(host, server.port), "list",
        { ca_file = certificates.ca, ignore_env = false })
      assert.are.same({}, client:list())
    end
    assert.are.same({}, proxy:requests())
  end)
end)

describe("A connection", function()
  before_each(start_test)
  after_each(end_test)

  it("S10: carries no cookies and goes where it went before, whatever the server says", function()
    local answer = raw_server.answer(200, '{"secrets":[]}', "Set-Cookie: a=b; Path=/\r\n"
      .. 'Alt-Svc: h2="service.example:443"; ma=3600\r\n'
      .. "Strict-Transport-Security: max-age=31536000\r\n")
    local server = faults.server { { request, answer, request, answer, request, answer } }
    local client = faults.client(server.url, "list")
    for _ = 1, 3 do
      assert(client:list())
    end
    local requests = server:requests()[1]
    assert.are.equal(3, #requests)
    for _, text in ipairs(requests) do
      assert.is_nil(head_of(text):lower():find("\r\ncookie:", 1, true))
      assert.are.equal(requests[1], text)
    end
  end)

  it("S12: speaks HTTP/1.1 to a server that prefers HTTP/2", function()
    local server = faults.server { faults.honest(encrypt) }
    local client = faults.client(faults.https(server.url), "list", { ca_file = certificates.ca })
    assert(client:list())
    assert.is_truthy(server:requests()[1][1]:find("^GET /v1/auth/secrets HTTP/1%.1\r\n"))
  end)

  local function targets()
    local found = {}
    for name in lfs.dir("/proc/self/fd") do
      found[name] = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    end
    return found
  end

  -- The descriptors that a function leaves open: what each is, and its flags, in octal.
  local function opened_by(open)
    local before, opened = targets(), {}
    open()
    for name, target in pairs(targets()) do
      local info = target ~= before[name] and io.open("/proc/self/fdinfo/" .. name)
      if info then
        opened[#opened + 1] = { target = target, flags = info:read("*a"):match("flags:%s*(%d+)") }
        info:close()
      end
    end
    return opened
  end

  -- How many of them there are of a kind, none of which a program that is started would get.
  local function count_closed_on_exec(opened, is_meant)
    local count = 0
    for _, one in ipairs(opened) do
      if is_meant(one.target) then
        count = count + 1
        assert.are.equal("2", one.flags:match("(%d)%d%d%d%d%d%d$"), one.flags) -- O_CLOEXEC
      end
    end
    return count
  end

  it("S28: is not inherited by programs that the host starts", function()
    local server = faults.server { faults.honest() }
    local client = faults.client(server.url, "list")
    local opened = opened_by(function()
      assert(client:list())
    end)
    local sockets = {}
    for line in io.lines("/proc/self/net/tcp") do
      local port, inode = line:match("^%s*%d+: %x+:%x+ %x+:(%x+) .- %d+ +%d+ (%d+) ")
      if port and tonumber(port, 16) == tonumber(server.port) then
        sockets[("socket:[%s]"):format(inode)] = true
      end
    end
    assert.are.equal(1, count_closed_on_exec(opened, function(target)
      return sockets[target]
    end))
  end)

  it("S28: is not inherited, and neither is what an event loop waits for", function()
    if not event_loop.works then return pending "PUC 5.1 has no loop mode" end
    local opened = opened_by(function()
      faults.client("http://127.0.0.1:1", "list", { wait = event_loop.new().wait })
    end)
    assert.is_true(2 <= count_closed_on_exec(opened, function(target)
      return target:find("^anon_inode:%[event")
    end))
  end)

  for _, op in ipairs(faults.OPS) do
    it(("S35: is given up when there is more than one answer (%s)"):format(op), function()
      local extra = '{"ok":true,"secrets":[{"id":"evil","secretType":"s3"}],"token":"evil"}'
      local server = faults.server {
        { request, faults.HONEST .. raw_server.answer(200, extra), request, hold },
        faults.honest(),
      }
      local client = faults.client(server.url, op)
      assert(faults.call(op, client))
      local value = assert(faults.call(op, client))
      assert.are.equal(op == "list" and 0 or nil, op == "list" and #value or nil)
      local connections = server:requests()
      assert.are.equal(1, #connections[1])
      assert.are.equal(1, #connections[2])
    end)
  end

  -- What is in the record of TLS that the answer ends in has been decrypted, and is not to be seen
  -- at the socket any more, when libcurl leaves it unread.
  local function padded(bytes)
    return raw_server.answer(200, '{"ok":true,"secrets":[]' .. (" "):rep(bytes) .. "}")
  end

  for name, answers in pairs {
    ["with a small answer"] = { padded(10) },
    ["with one of more than a buffer"] = { padded(3000) },
    ["with one of several records"] = { padded(40000) },
    ["behind a head that comes first"] = { "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n",
      '{"ok":true,"secrets":[]  }' },
  } do
    for _, op in ipairs { "list", "put", "delete" } do
      it(("S35: is given up when TLS has more than one answer %s (%s)"):format(name, op), function()
        if secrets.info().tls:find("GnuTLS", 1, true) then return pending "GnuTLS is not asked" end
        local script = { encrypt, request }
        for position, text in ipairs(answers) do
          local last = position == #answers
          local extra = '{"ok":false,"secrets":[{"id":"evil","secretType":"s3"}]}'
          script[#script + 1] = last and text .. raw_server.answer(200, extra) or text
          script[#script + 1] = not last and raw_server.wait(0.05) or nil
        end
        script[#script + 1] = request
        script[#script + 1] = hold
        local server = faults.server { script, faults.honest(encrypt) }
        local client = faults.client(faults.https(server.url), op, { ca_file = certificates.ca })
        assert(faults.call(op, client))
        local value = assert(faults.call(op, client))
        assert.are.equal(op == "list" and 0 or nil, op == "list" and #value or nil)
        assert.are.equal(2, server:sends())
      end)
    end
  end
end)

describe("An answer", function()
  before_each(start_test)
  after_each(end_test)

  it("S13: is not asked to be compressed, and is not unpacked", function()
    local bomb = shell("head -c 50000000 /dev/zero | gzip -9")
    for _, coding in ipairs { "gzip", "deflate", "br", "zstd", "identity, gzip" } do
      local server = faults.server { { request, raw_server.answer(200, bomb,
        ("Content-Encoding: %s\r\n"):format(coding)) }, faults.honest() }
      local client = faults.client(server.url, "list")
      local list, err = client:list()
      assert.is_nil(list)
      assert.are.equal("protocol", err.kind)
      assert.are.equal(1, err.attempts)
      assert.is_nil(head_of(server:requests()[1][1]):lower():find("accept-encoding", 1, true))
      assert.are.same({}, client:list())
    end
  end)

  it("S13: may say that it is not compressed", function()
    local server = faults.server { { request,
      raw_server.answer(200, '{"secrets":[]}', "Content-Encoding: identity\r\n") } }
    assert.are.same({}, faults.client(server.url, "list"):list())
  end)

  local MIB = 1024 * 1024

  it("S14: without end takes no more memory than its limit and a little", function()
    local head = "HTTP/1.1 200 OK\r\n"
    local chunked = head .. "Transfer-Encoding: chunked\r\n\r\n"
    local server = faults.server {
      faults.honest(),
      { request, chunked, flood("1000\r\n" .. ("["):rep(4096) .. "\r\n", math.huge) },
      { request, head .. "\r\n", flood((" "):rep(8192), math.huge) },
      { request, head .. "Content-Length: 99999999999\r\n\r\n", flood((" "):rep(8192), math.huge) },
      { request, head, flood(("X: y\r\n"):rep(1000), math.huge) },
      { request, head .. "X: ", flood(("x"):rep(8192), math.huge) },
      { request, flood("HTTP/1.1 103 Early Hints\r\n\r\n", math.huge) },
    }
    local result = faults.child([[
      local function peak() -- bytes
        local status = io.open("/proc/self/status")
        local text = status:read("*a")
        status:close()
        return 1024 * tonumber(text:match("VmHWM:%s*(%d+)"))
      end
      local client = faults.client(given.url, "list", { max_response_bytes = given.limit })
      assert(client:list())
      client:close()
      client = faults.client(given.url, "list", { max_response_bytes = given.limit })
      local kinds, before = {}, peak()
      for number = 1, 6 do
        local _, err = client:list()
        kinds[number] = err.kind
      end
      return { kinds = kinds, growth = peak() - before }
    ]], { url = server.url, limit = MIB })
    assert.are.same({ "protocol", "protocol", "protocol", "protocol", "protocol", "protocol" },
      result.kinds)
    -- A sanitizer keeps what was freed for a while.
    assert.is_true(result.growth <= 5 * MIB * faults.SLOW, result.growth .. " bytes")
  end)

  -- Each empty array takes 36 bytes on its way through lua-cjson, which keeps the length of a text
  -- in an int, and writes the long string beyond its buffer once that is negative.
  it("H2: is over the limit when it holds more empty arrays than lua-cjson can count", function()
    local times, each = 3000, 20000
    local head = '{"secrets":[' .. '"' .. ("A"):rep(1000000) .. '",'
    local length = #head + 3 * times * each + #"[]]}"
    local server = faults.server {
      { request, ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(length), head,
        flood(("[],"):rep(each), times), "[]]}", hold },
    }
    local result = faults.child([[
      local client = faults.client(given.url, "list",
        { max_response_bytes = 2 ^ 30, timeout = 60 * given.slow, deadline = 60 * given.slow })
      local value, err = client:list()
      return { value = value, kind = err.kind, attempts = err.attempts, hint = err.hint }
    ]], { url = server.url, slow = faults.SLOW })
    local hint = "ask for less with a filter, or allow more with max_response_bytes"
    assert.are.same({ kind = "protocol", attempts = 1, hint = hint }, result)
  end)
end)

-- When something comes within a millisecond before a transfer's time is up, libcurl forgets that it
-- is; a server could make a call last for ever so.
describe("A last byte", function()
  before_each(start_test)
  after_each(end_test)

  local COUNT, AT_ONCE, TIMEOUT = 192, 16, 0.25

  it("just before the time is up puts nothing off", function()
    local scripts = {}
    for number = 1, COUNT do
      local before = (number % 32 - 6) * 0.0005
      scripts[number] = { request, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        raw_server.wait(TIMEOUT - before), "{", hold }
    end
    local server = faults.server(scripts)
    local attempts = {}
    local client = faults.client(server.url, "put", {
      timeout = TIMEOUT, retries = 0, connect_timeout = 0.2, -- whose end would help as well
      on_event = function(event)
        attempts[#attempts + 1] = event
      end,
    })
    local items = {}
    for number = 1, COUNT do
      items[number] = { secret = { id = "key-" .. number, secretType = "s3" }, secretKey = "x" }
    end
    assert.are.equal(COUNT, client:put_all(items, { concurrency = AT_ONCE }).failed)
    for _, attempt in ipairs(attempts) do
      assert.are.equal("timeout", attempt.kind)
      faults.assert_in_time(attempt.seconds, TIMEOUT)
    end
  end)
end)
