-- Answers that break off, say nonsense, never come or never end: rows 21, 22 and 27 to 47 of the
-- fault matrix, each with every operation that it can hit.

local faults = require "faults"
local raw_server = require "raw_server"

local request, hold, reset, cut =
  raw_server.request, raw_server.hold, raw_server.reset, raw_server.cut
local drip, flood, wait = raw_server.drip, raw_server.flood, raw_server.wait

local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
local CHUNKED = HEAD .. "Transfer-Encoding: chunked\r\n\r\n"
local BODY = '{"ok":true,"secrets":[],"token":"mark3d-lost","expiresIn":"3600"}'

-- A call that meets it twice gives up.
local SHORT = { timeout = 0.2 * faults.SLOW }

local ROWS = {
  {
    "21: the connection ends after the request",
    script = { request },
    kind = "network", ambiguous = true,
  },
  {
    "22: the connection is reset after the request",
    script = { request, reset },
    kind = "network", ambiguous = true,
  },
  {
    "22: the connection is reset after the request, over TLS",
    script = { request, reset },
    tls = true,
    kind = "network", ambiguous = true,
  },
  {
    "27: the status line is cut off",
    script = { request, "HTTP/1.1 20" },
    kind = "network", ambiguous = true,
  },
  {
    "27: the headers are cut off within a line",
    script = { request, "HTTP/1.1 200 OK\r\nContent-Le" },
    kind = "protocol", ambiguous = true,
  },
  {
    "27: the headers are cut off between lines",
    script = { request, HEAD },
    kind = "protocol", ambiguous = true,
  },
  {
    "27: the headers are cut off, over TLS",
    script = { request, "HTTP/1.1 200 OK\r\nContent-Le" },
    tls = true,
    kind = "protocol", ambiguous = true,
  },
  {
    "28: the body is shorter than its Content-Length",
    script = { request, HEAD .. "Content-Length: 200\r\n\r\n" .. BODY },
    kind = "network", ambiguous = true,
  },
  {
    "29: a body without a length is cut off",
    script = { request, HEAD .. "\r\n" .. BODY:sub(1, -9) },
    kind = "protocol", ambiguous = true,
  },
  {
    "29: a body without a length is cut off, over TLS without its closing",
    script = { request, HEAD .. "\r\n" .. BODY:sub(1, -9), cut },
    tls = true,
    kind = "protocol", ambiguous = true,
  },
  {
    "30: a chunked body is cut off",
    script = { request, CHUNKED .. "80\r\n" .. BODY },
    kind = "network", ambiguous = true,
  },
  {
    "31: a chunk's size is no number",
    script = { request, CHUNKED .. "zz\r\n" .. BODY .. "\r\n0\r\n\r\n", hold },
    kind = "network", ambiguous = true,
  },
  {
    "32: a chunk's size has too many digits",
    script = { request, CHUNKED .. ("1"):rep(40) .. "\r\n" .. BODY .. "\r\n0\r\n\r\n", hold },
    kind = "network", ambiguous = true,
  },
  {
    "33: two lengths that differ",
    script = {
      request, HEAD .. "Content-Length: 4\r\nContent-Length: 2\r\n\r\n{}{}", hold,
    },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "34: a negative length",
    script = { request, HEAD .. "Content-Length: -5\r\n\r\n" .. BODY, hold },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "34: a zero byte within the headers",
    script = { request, HEAD .. "X: a\0b\r\nContent-Length: 2\r\n\r\n{}", hold },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "35: an answer without a status line",
    script = { request, BODY },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "35: another protocol's greeting",
    script = { request, "SSH-2.0-OpenSSH_9.2\r\n", hold },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "36: status 1000",
    script = { request, "HTTP/1.1 1000 No\r\nContent-Length: 2\r\n\r\n{}", hold },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "36: status 999",
    script = { request, raw_server.answer("999 No", BODY) },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "37: switching protocols, then silence",
    script = { request, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", hold },
    options = SHORT,
    kind = "timeout", ambiguous = true,
  },
  {
    "38: interim answers without end",
    script = { request, flood("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", math.huge) },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "39: a header line of 400 KB",
    script = { request, HEAD .. "X: ", flood(("x"):rep(4000), 100), hold },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "40: 200,000 headers",
    script = { request, HEAD, flood(("X: y\r\n"):rep(1000), 200), hold },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "41: a chunked body without end",
    script = { request, CHUNKED, flood("1000\r\n" .. ("["):rep(4096) .. "\r\n", math.huge) },
    options = { max_response_bytes = 200000 },
    kind = "protocol", attempts = 1, ambiguous = true,
  },
  {
    "42: a body that comes too slowly",
    script = { request, HEAD .. "Content-Length: 400\r\n\r\n", drip((" "):rep(400), 0.02) },
    options = SHORT,
    kind = "timeout", ambiguous = true,
  },
  {
    "43: headers that come too slowly",
    script = { request, drip(HEAD .. "X: " .. ("y"):rep(400), 0.02) },
    options = SHORT,
    kind = "timeout", ambiguous = true,
  },
  {
    "44: the answer never comes",
    script = { request, hold },
    options = SHORT,
    kind = "timeout", ambiguous = true,
  },
  {
    "45: the server reads a byte of a long upload now and then",
    script = { raw_server.read(1), wait(0.1), raw_server.skip(1), wait(0.1), raw_server.skip(1),
      wait(60) },
    options = SHORT, ops = { "put" }, key = faults.MARKER .. ("\1"):rep(60000),
    kind = "timeout", ambiguous = true,
  },
  {
    "46: an answer in single bytes",
    script = { request, drip(faults.HONEST, 0) },
  },
  {
    "47: answers that are late both ways",
    script = { wait(0.3), request, wait(0.3), faults.HONEST },
    at_least = 0.6,
  },
}

describe("An answer", function()
  after_each(faults.clean_up)

  for _, row in ipairs(ROWS) do
    for _, op in ipairs(row.ops or faults.OPS) do
      it(("%s (%s)"):format(row[1], op), function()
        faults.check(row, op)
      end)
    end
  end
end)
