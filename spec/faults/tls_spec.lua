-- Handshakes that fail and certificates that nobody should trust: rows 9 to 20 of the fault matrix.
-- Not a byte of a request may leave, so nothing is ever ambiguous.

local certificates = require "certificates"
local faults = require "faults"
local raw_server = require "raw_server"
local secrets = require "bytenite.secrets"
local shell = require "shell"

local hold, reset, skip, tls = raw_server.hold, raw_server.reset, raw_server.skip, raw_server.tls

-- Three tries are allowed, and one retry is made.
local ONCE = { retries = 2 }

local HANDSHAKES = {
  {
    "9: a reset during the handshake",
    script = { skip(50), reset },
    handshake = true, options = ONCE,
    kind = "tls", attempts = 2, sends = 0,
  },
  {
    "10: the connection ends during the handshake",
    script = { skip(50) },
    handshake = true, options = ONCE,
    kind = "tls", attempts = 2, sends = 0,
  },
  {
    "11: a handshake that hangs",
    script = { hold },
    handshake = true, options = { connect_timeout = 0.15 * faults.SLOW },
    kind = "timeout", attempts = 2, sends = 0,
  },
  {
    "12: random bytes for a handshake",
    script = { skip(50), "\149\7\200\33 no handshake at all \1\2\3\4\255\254", hold },
    handshake = true, options = ONCE,
    kind = "tls", attempts = 2, sends = 0,
  },
  {
    "13: plain HTTP on the port",
    script = { skip(50), raw_server.answer(400, "The plain HTTP request was sent"), hold },
    handshake = true, options = ONCE,
    kind = "tls", attempts = 2, sends = 0,
  },
  {
    "14: a server that speaks nothing newer than TLS 1.1",
    script = { tls(certificates.good, "tlsv1_1"), raw_server.request, faults.HONEST },
    handshake = true, options = ONCE,
    kind = "tls", attempts = 2, sends = 0,
  },
}

-- A try that meets it is the last.
local function untrusted(text, pair, options)
  return {
    text,
    script = { raw_server.request, faults.HONEST },
    tls = pair, options = options,
    kind = "tls", attempts = 1, sends = 0,
    final = options and options.ca_path ~= nil,
  }
end

local CERTIFICATES = {
  untrusted("15: a self-signed certificate", certificates.self_signed),
  untrusted("15: a certificate of another authority", certificates.other_ca),
  untrusted("16: a certificate for another host", certificates.wrong_host),
  untrusted("17: an expired certificate", certificates.expired),
  untrusted("18: a certificate that is not yet valid", certificates.not_yet_valid),
  untrusted("20: a ca_path that does not exist", certificates.good, { ca_path = "/no/such/path" }),
  untrusted("20: a ca_path without certificates", certificates.good, { ca_path = "spec/demo" }),
}

local function run(rows)
  for _, row in ipairs(rows) do
    for _, op in ipairs(faults.OPS) do
      it(("%s (%s)"):format(row[1], op), function()
        faults.check(row, op)
      end)
    end
  end
end

describe("A handshake", function()
  after_each(faults.clean_up)

  run(HANDSHAKES)

  it("S2: succeeds with the same server when that speaks TLS 1.2", function()
    local server = faults.server { faults.honest(tls(certificates.good, "tlsv1_2")) }
    local client = faults.client(faults.https(server.url), "list", { ca_file = certificates.ca })
    assert.are.same({}, client:list())
  end)

  -- Without this the row would prove nothing: the server might refuse everybody.
  it("14: at TLS 1.1 is possible with that server, for those who ask for it", function()
    local server = faults.server { faults.honest(tls(certificates.good, "tlsv1_1")) }
    local text = shell(("openssl s_client -connect 127.0.0.1:%d -tls1_1 "
      .. "-cipher DEFAULT:@SECLEVEL=0 </dev/null 2>&1"):format(server.port))
    assert.is_truthy(text:find("Protocol%s*: TLSv1%.1"))
  end)
end)

describe("A certificate", function()
  after_each(faults.clean_up)

  run(CERTIFICATES)

  -- Row 19: revocation is not checked and pins are not offered, so there is nothing to play.

  it("20: file that is missing or unreadable is known when the client is made", function()
    for _, path in ipairs { "/no/such/file.pem", "/", "/dev/null" } do
      local client, err = secrets.new {
        base_url = "https://127.0.0.1:1", access_token = faults.TOKEN, ca_file = path,
        ignore_env = true,
      }
      assert.is_nil(client)
      assert.are.equal("config", err.kind)
      faults.assert_clean(err)
    end
  end)

  -- As after a chroot.
  it("20: file is not read again once the client is made", function()
    if secrets.info().tls:find("GnuTLS", 1, true) then
      return pending "with GnuTLS, libcurl takes no certificates from memory"
    end
    local path = os.tmpname()
    shell(("cp %s %s"):format(certificates.ca, path))
    local server = faults.server { faults.honest(tls(certificates.good)) }
    local client = faults.client(faults.https(server.url), "list", { ca_file = path })
    os.remove(path)
    assert.are.same({}, client:list())
  end)
end)
