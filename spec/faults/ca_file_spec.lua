-- What option ca_file makes a client trust, and when it is read.

local certificates = require "certificates"
local child = require "child"
local environment = require "environment"
local faults = require "faults"
local lfs = require "lfs"
local process = require "process"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"
local shell = require "shell"

local TLS_CALLS = (os.getenv("BUILD") or ".build") .. "/tls_calls.so"

local request, tls = raw_server.request, raw_server.tls

local written = {}

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function file_with(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  written[#written + 1] = path
  return path
end

local CA = contents(certificates.ca)
local OTHER = contents(certificates.self_signed.certificate)
local INTERMEDIATE = contents(certificates.intermediate.certificate)

-- A certificate in which a byte is another one.
local BROKEN = OTHER:gsub("\n%u%u", "\n//", 1)

local function clean_up()
  faults.clean_up()
  environment.restore()
  for _, path in ipairs(written) do
    os.remove(path)
  end
  written = {}
end

-- A client that trusts what is given, for a server with this pair.
local function connect(pair, ca_file, ca_path)
  local server = faults.server { faults.honest(tls(pair)) }
  return faults.client(faults.https(server.url), "list", { ca_file = ca_file, ca_path = ca_path }),
    server
end

local function assert_untrusted(client, server)
  local list, err = client:list()
  assert.is_nil(list)
  assert.are.equal("tls", err.kind)
  assert.are.equal(1, err.attempts)
  assert.are.equal(0, err.sends)
  assert.are.equal(0, server:sends())
end

describe("A ca_file", function()
  after_each(clean_up)

  it("may hold several certificates, in any order", function()
    for _, text in ipairs { CA .. OTHER, OTHER .. CA, OTHER .. INTERMEDIATE .. CA, CA .. CA } do
      assert.are.same({}, connect(certificates.good, file_with(text)):list())
    end
  end)

  it("may hold text around them, and lines that end in CRLF", function()
    local text = "# ours\n" .. OTHER .. "\nthe other one:\n" .. CA .. "the end, without a newline"
    assert.are.same({}, connect(certificates.good, file_with(text)):list())
    assert.are.same({}, connect(certificates.good, file_with((text:gsub("\n", "\r\n")))):list())
  end)

  it("may hold an authority that is below another", function()
    local path = certificates.intermediate.certificate
    assert.are.same({}, connect(certificates.below, path):list())
  end)

  -- Without this the test above would prove nothing: the server might send the intermediate.
  it("has to, where the server does not send it", function()
    assert_untrusted(connect(certificates.below, certificates.ca))
  end)

  it("is all that is trusted", function()
    for _, text in ipairs { OTHER, INTERMEDIATE, OTHER .. INTERMEDIATE } do
      assert_untrusted(connect(certificates.other_ca, file_with(text)))
    end
  end)

  it("is trusted in place of the system's certificates", function()
    environment.set { SSL_CERT_FILE = certificates.self_signed.certificate }
    assert_untrusted(connect(certificates.self_signed, certificates.ca))
  end)

  it("is of no use with a broken certificate among good ones", function()
    assert_untrusted(connect(certificates.good, file_with(CA .. BROKEN)))
    assert_untrusted(connect(certificates.good, file_with(BROKEN .. CA)))
  end)

  it("is of no use with keys and no certificate", function()
    local path = certificates.good.key
    assert_untrusted(connect(certificates.good, path))
  end)

  it("is trusted beside a ca_path", function()
    local directory = file_with ""
    os.remove(directory)
    assert(lfs.mkdir(directory))
    local hash = shell("openssl x509 -noout -hash -in " .. certificates.ca):match "%x+"
    written = { directory .. "/" .. hash .. ".0", directory }
    shell(("cp %s %s"):format(certificates.ca, written[1]))
    assert.are.same({}, connect(certificates.good, certificates.ca, "spec/demo"):list())
    local self_signed = certificates.self_signed
    for _, pair in ipairs { certificates.good, self_signed } do
      assert.are.same({}, connect(pair, self_signed.certificate, directory):list())
    end
    assert_untrusted(connect(certificates.other_ca, self_signed.certificate, directory))
  end)

  it("is what a proxy is checked with", function()
    for _, name in ipairs { "good", "self_signed" } do
      local proxy = faults.server { { tls(certificates[name]), request,
        "HTTP/1.1 200 Connection established\r\n\r\n", request, faults.HONEST } }
      local client = faults.client("http://other.example", "list", {
        ca_file = certificates.ca, proxy = faults.https(proxy.url), allow_http = true,
      })
      if name == "good" then
        assert.are.same({}, client:list())
      else
        assert_untrusted(client, proxy)
      end
    end
  end)

  local function without_callbacks()
    return not secrets.info().tls:find("OpenSSL/3", 1, true)
  end

  -- Runs a script with `tls_calls` preloaded.
  local function with_tls_calls(script, ...)
    local pid, fd = child.preload(TLS_CALLS, os.getenv("LUA") or "lua", "-e",
      'local tls_calls = require "tls_calls"\nlocal secrets = require "bytenite.secrets"\n'
      .. script:format(...))
    local output = child.read_all(fd)
    assert.are.equal(0, process.wait(pid), output)
    return output
  end

  it("is parsed when the client is made, and not for each connection", function()
    if without_callbacks() then return pending "only with OpenSSL 3" end
    local LAST = raw_server.answer(200, '{"secrets":[]}', "Connection: close\r\n")
    local server = faults.server { { tls(certificates.good), request, LAST } }
    local script = [[
      local client = assert(secrets.new { base_url = %q, access_token = "t", ca_file = %q,
        ca_path = %s, ignore_env = true })
      for _ = 1, 5 do assert(client:list()) end
      print(tls_calls.parses())
    ]]
    local url = faults.https(server.url)
    assert.are.equal("0\n", with_tls_calls(script, url, certificates.ca, "nil"))
    assert.are.equal(5, #server:requests())
    -- Which libcurl does where it is left to it: without this, the 0 would prove nothing.
    assert.are.equal("5\n", with_tls_calls(script, url, certificates.ca, '"spec/demo"'))
    assert.are.equal(10, #server:requests())
  end)

  it("lets nobody be trusted when libcurl does not ask for it", function()
    if without_callbacks() then return pending "only with OpenSSL 3" end
    local server = faults.server { faults.honest(tls(certificates.good)) }
    assert.are.equal("tls\t0\n", with_tls_calls([[
      tls_calls.leave_out_callback()
      local client = assert(secrets.new { base_url = %q, access_token = "t", ca_file = %q,
        ignore_env = true })
      local list, err = client:list()
      print(err.kind, err.sends)
    ]], faults.https(server.url), certificates.ca))
    assert.are.equal(0, server:sends())
  end)
end)
