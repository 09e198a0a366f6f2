local errors = require "bytenite.secrets.errors"
local exit = require "bytenite.secrets.cli.exit"
local failure = require "bytenite.secrets.call.failure"
local kinds = require "bytenite.secrets.errors.kinds"
local verdict = require "bytenite.secrets.call.verdict"
local child = require "child"
local printable = require "bytenite.secrets.printable"

local function classify(fields)
  local judged = verdict.of(fields)
  return { kind = judged.kind, retryable = judged.retryable, ambiguous = judged.ambiguous }
end

local function of_status(status)
  return classify { reason = "status", status = status, words = "envelope", sends = 1 }
end

local function of_curl(code, sends)
  return classify { reason = "curl", curl = code, detail = "why", sends = sends }
end

local function set(...)
  local members = {}
  for _, value in ipairs { ... } do
    members[value] = true
  end
  return members
end

-- What 8-bit text decodes to, or nil: an independent look at what clean lets through.
local function is_utf8(text)
  local position = 1
  while position <= #text do
    local first = text:byte(position)
    if first >= 0x80 and first < 0xC2 or first > 0xF4 then return false end
    local more = first < 0x80 and 0 or first < 0xE0 and 1 or first < 0xF0 and 2 or 3
    for next_position = position + 1, position + more do
      local byte = text:byte(next_position)
      if not byte or byte < 0x80 or byte > 0xBF then return false end
    end
    position = position + more + 1
  end
  return true
end

local function totals(fields)
  local result = { attempts = 1, sends = 1, ambiguous = false }
  for name, value in pairs(fields or {}) do
    result[name] = value
  end
  return result
end

describe("bytenite.secrets.errors", function()
  describe("classify, for a status", function()
    local KINDS = {
      [401] = "unauthorized", [403] = "forbidden", [404] = "not_found", [408] = "timeout",
      [409] = "conflict", [412] = "conflict", [429] = "rate_limited", [502] = "unavailable",
      [503] = "unavailable", [504] = "unavailable",
    }

    local function expected_kind(status)
      if KINDS[status] then return KINDS[status] end
      local class = math.floor(status / 100)
      return class == 4 and "rejected" or class == 5 and "server" or "protocol"
    end

    it("gives each failure from 100 to 999 its kind", function()
      for status = 100, 999 do
        if status < 200 or status > 299 then
          assert.equal(expected_kind(status), of_status(status).kind, "for " .. status)
        end
      end
    end)

    it("lets exactly 408, 429, 500, 502, 503 and 504 be tried again", function()
      local again = set(408, 429, 500, 502, 503, 504)
      for status = 100, 999 do
        assert.equal(again[status] or false, of_status(status).retryable, "for " .. status)
      end
    end)

    it("leaves it open whether a write was applied after 500, 502, 504 and what is no status",
      function()
        local open = set(500, 502, 504)
        for status = 100, 999 do
          local expected = open[status] or status < 200 or status > 599
          assert.equal(expected, of_status(status).ambiguous, "for " .. status)
        end
      end)
  end)

  describe("classify, for a libcurl code", function()
    local TLS_VERDICTS = { 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98 }

    it("calls what has to do with connections network, and retries it", function()
      for _, code in ipairs { 5, 6, 7, 18, 52, 55, 56, 16, 95, 97 } do
        assert.same({ kind = "network", retryable = true, ambiguous = false }, of_curl(code, 0))
        assert.same({ kind = "network", retryable = true, ambiguous = true }, of_curl(code, 1))
      end
    end)

    it("calls 28 a timeout, which leaves a write open once it was sent", function()
      assert.same({ kind = "timeout", retryable = true, ambiguous = false }, of_curl(28, 0))
      assert.same({ kind = "timeout", retryable = true, ambiguous = true }, of_curl(28, 1))
    end)

    it("takes a verdict on a certificate as final", function()
      for _, code in ipairs(TLS_VERDICTS) do
        assert.same({ kind = "tls", retryable = false, ambiguous = false }, of_curl(code, 0))
      end
    end)

    it("lets a handshake that failed without one be tried again", function()
      assert.same({ kind = "tls", retryable = true, ambiguous = false }, of_curl(35, 0))
    end)

    it("calls an answer that is no HTTP protocol, and does not retry it", function()
      for _, code in ipairs { 1, 8, 61, 100 } do
        assert.same({ kind = "protocol", retryable = false, ambiguous = true }, of_curl(code, 1))
      end
    end)

    it("knows every code that libcurl may ever have", function()
      for code = 1, 110 do
        local kind = of_curl(code, 0).kind
        assert.is_truthy(set("network", "timeout", "tls", "protocol", "cancelled")[kind])
      end
    end)
  end)

  describe("classify, for other reasons", function()
    it("reads the code of a 200 that says it failed, as HTTP's and as gRPC's", function()
      local expected = { [401] = "unauthorized", [16] = "unauthorized", [403] = "forbidden",
        [7] = "forbidden", [404] = "not_found", [5] = "not_found", [400] = "rejected",
        [3] = "rejected", [0] = "rejected", [500] = "rejected", [-1] = "rejected" }
      for code, kind in pairs(expected) do
        assert.same({ kind = kind, retryable = false, ambiguous = false },
          classify { reason = "refused", status = 200, code = code, words = "envelope", sends = 1 })
      end
      assert.equal("rejected", classify({ reason = "refused", status = 200, sends = 1 }).kind)
    end)

    it("takes a 404 in words that are not the service's for protocol, and final", function()
      for _, facts in ipairs { { reason = "status", status = 404 },
        { reason = "refused", status = 200, code = 404 },
        { reason = "refused", status = 200, code = 5 } } do
        facts.sends = 1
        assert.is_true(verdict.of(facts).doubtful)
        assert.same({ kind = "protocol", retryable = false, ambiguous = false }, classify(facts))
        for _, words in ipairs { "envelope", "grpc" } do
          facts.words = words
          assert.is_false(verdict.of(facts).doubtful)
          assert.equal("not_found", classify(facts).kind)
        end
      end
      assert.is_false(verdict.of({ reason = "status", status = 403 }).doubtful)
      assert.is_false(verdict.of({ reason = "refused", status = 200 }).doubtful)
    end)

    it("takes an answer that broke off for none, although libcurl sees nothing wrong", function()
      assert.same({ kind = "protocol", retryable = true, ambiguous = true },
        classify { reason = "incomplete", status = 200, sends = 1 })
    end)

    it("takes a whole answer of the wrong form as final", function()
      for _, reason in ipairs { "form", "limit", "encoded" } do
        assert.same({ kind = "protocol", retryable = false, ambiguous = true },
          classify { reason = reason, status = 200, sends = 1 })
      end
    end)

    it("says whether a call that was interrupted or short of memory had been sent", function()
      for _, reason in ipairs { "cancelled", "memory" } do
        assert.same({ kind = reason, retryable = true, ambiguous = false },
          classify { reason = reason, sends = 0 })
        assert.same({ kind = reason, retryable = true, ambiguous = true },
          classify { reason = reason, sends = 1 })
      end
    end)

    it("knows that what cannot be sent, or had no time left, was not sent", function()
      assert.same({ kind = "invalid", retryable = false, ambiguous = false },
        classify { reason = "invalid", sends = 0 })
      assert.same({ kind = "timeout", retryable = true, ambiguous = false },
        classify { reason = "deadline" })
    end)
  end)

  describe("clean", function()
    it("leaves text alone", function()
      for _, text in ipairs { "", "plain", "Zürich 日本 🔑", " ~" } do
        assert.equal(text, printable.clean(text))
      end
    end)

    it("makes spaces of control characters and line separators", function()
      assert.equal("a b c d", printable.clean("a\r\nb\0c\27d"))
      assert.equal("a b", printable.clean("a\127b"))
      assert.equal("a b", printable.clean("a\194\155b")) -- CSI of eight-bit terminals
      assert.equal("a b c", printable.clean("a\226\128\168b\226\128\169c"))
    end)

    it("takes out what turns the direction of text around", function()
      assert.equal("a b", printable.clean("a\226\128\174b"))
      assert.equal("a b", printable.clean("a\226\129\166b"))
    end)

    it("makes UTF-8 of any bytes", function()
      for first = 128, 255 do
        for _, rest in ipairs { "", "x", "\128", "\128\128", "\128\128\128", "\128\128\128\128" } do
          local text = "a" .. string.char(first) .. rest .. "é"
          assert.is_true(is_utf8(printable.clean(text)), ("%q"):format(text))
        end
      end
    end)

    it("takes any value", function()
      assert.equal("nil", printable.clean(nil))
      assert.equal("12", printable.clean(12))
    end)
  end)

  describe("the message", function()
    it("starts with what was attempted", function()
      local err = errors.new { kind = "config", op = "new", message = "no credential is set" }
      assert.equal("new: no credential is set", err.message)
    end)

    it("is one line without control characters, whatever it quotes", function()
      local bytes = {}
      for byte = 0, 255 do
        bytes[#bytes + 1] = string.char(byte)
      end
      local err = failure.new("list", { reason = "status", status = 400,
        description = table.concat(bytes) }, totals())
      assert.not_matches("[%c\127]", err.message)
      assert.not_matches("[%c\127]", err.description)
      assert.is_true(is_utf8(err.message))
    end)

    it("has at most 512 bytes and is cut between characters", function()
      for _, character in ipairs { "x", "é", "日", "🔑" } do
        for shift = 0, 3 do
          local text = ("-"):rep(shift) .. character:rep(600)
          local err = errors.new { kind = "invalid", op = "put", message = text }
          assert.is_true(#err.message <= 512 and #err.message > 505)
          assert.is_true(is_utf8(err.message))
          assert.matches("%.%.%.$", err.message)
        end
      end
    end)

    it("is left whole when it has 512 bytes", function()
      local text = ("x"):rep(512 - #"put: ")
      local err = errors.new { kind = "invalid", op = "put", message = text }
      assert.equal("put: " .. text, err.message)
    end)

    it("says that a refusal gives no reason", function()
      local err = failure.new("put s3/a", { reason = "refused", status = 200 }, totals())
      assert.equal("put s3/a: the service refuses the request and does not say why", err.message)
    end)

    it("tells a missing secret from an address that is none of the service", function()
      local facts = { reason = "status", status = 404, words = "envelope" }
      local delete = totals { verb = "delete" }
      local missing = failure.new("delete s3/a", facts, delete)
      assert.matches("no such secret", missing.message)
      assert.matches("secretType and id", missing.hint)
      local by_a_router = { reason = "status", status = 404 }
      for _, elsewhere in ipairs { failure.new("list", facts, totals()),
        failure.new("list", by_a_router, totals()),
        failure.new("delete s3/a", by_a_router, delete) } do
        assert.matches("nothing at this address %(HTTP 404%)", elsewhere.message)
        assert.matches("base_url", elsewhere.hint)
      end
    end)

    it("says what was found out after the exchange, before the server's own words", function()
      local err = failure.new("delete s3/a", { reason = "status", status = 404,
        description = "no route", finding = "it is still there" }, totals { verb = "delete" })
      assert.equal("delete s3/a: the service has nothing at this address (HTTP 404; it is still "
        .. "there): no route", err.message)
    end)

    it("names the purpose of an exchange that was made for another one", function()
      local err = failure.new("list", { reason = "status", status = 401 },
        totals { purpose = "access token" })
      assert.matches("^list: access token: not authenticated", err.message)
    end)
  end)

  describe("an Error", function()
    local function broken_put()
      return failure.new("put s3/a", { reason = "curl", curl = 52, sends = 1,
        detail = "Empty reply from server" }, totals { ambiguous = true })
    end

    it("has its numbers and booleans from the start", function()
      local err = errors.new { kind = "config", op = "new", message = "x" }
      assert.equal(0, err.attempts)
      assert.equal(0, err.sends)
      assert.is_false(err.retryable)
      assert.is_false(err.ambiguous)
    end)

    it("has the library's own text as cause", function()
      local err = broken_put()
      assert.equal("curl 52: Empty reply from server", err.cause)
      assert.equal("network", err.kind)
      assert.is_true(err.retryable)
      assert.is_true(err.ambiguous)
    end)

    it("prints what happened, what it means for the data and what to do next", function()
      local err = broken_put()
      assert.equal("bytenite.secrets: put s3/a: no answer from the service (Empty reply from "
        .. "server). It may have been applied all the same. Next: " .. err.hint, tostring(err))
      assert.matches("network", err.hint)
    end)

    it("prints no second full stop after the service's own", function()
      local err = failure.new("list", { reason = "status", status = 403,
        description = "Ask the owner." }, totals())
      assert.matches("Ask the owner%. Next: ", tostring(err))
      err = errors.new { kind = "invalid", op = "get", message = "id is . or .." }
      assert.equal("bytenite.secrets: get: id is . or ..", tostring(err))
    end)

    it("can be joined to text on either side", function()
      local err = broken_put()
      assert.equal("failed: " .. tostring(err), "failed: " .. err)
      assert.equal(tostring(err) .. "!", err .. "!")
      assert.equal(tostring(err) .. tostring(err), err .. err)
    end)

    it("is told from other tables", function()
      assert.is_true(errors.is_error(broken_put()))
      for _, value in ipairs { {}, { kind = "network" }, "text", 1, setmetatable({}, {}) } do
        assert.is_false(errors.is_error(value))
      end
    end)

    it("is printed by the interpreter when assert raises it", function()
      if child.run "assert(type(select(2, pcall(assert, nil, {}))) == 'table')" ~= 0 then
        return pending "this Lua's assert takes a string only"
      end
      local status, output = child.run([[
        local errors = require "bytenite.secrets.errors"
        assert(nil, errors.new { kind = "tls", op = "list", message = "no trusted connection" })
      ]])
      assert.equal(1, status)
      assert.matches("bytenite%.secrets: list: no trusted connection%. Next: check", output)
      assert.not_matches("error object", output)
    end)

    it("starts anew for another call, without what only held for its own", function()
      local first = failure.new("put s3/a", { reason = "status", status = 401,
        requestId = "r-1" }, totals { attempts = 3, sends = 4, ambiguous = true })
      local second = errors.again(first, "list")
      assert.equal("list: " .. first.message:sub(#"put s3/a: " + 1), second.message)
      assert.matches("^list: not authenticated", second.message)
      assert.equal("list", second.op)
      assert.equal("unauthorized", second.kind)
      assert.equal(0, second.attempts)
      assert.equal(0, second.sends)
      assert.is_false(second.ambiguous)
      assert.equal("put s3/a", first.op)
      assert.equal(3, first.attempts)
    end)
  end)

  describe("op", function()
    it("names the operation and the record", function()
      assert.equal("put s3/my-key", printable.op("put", "s3", "my-key"))
      assert.equal("delete aws/Zürich/ü", printable.op("delete", "aws", "Zürich/ü"))
    end)

    it("shows hostile ids without their power", function()
      assert.equal("put s3/a??b", printable.op("put", "s3", "a\r\nb"))
      assert.equal("put s3/?[31m", printable.op("put", "s3", "\27[31m"))
      assert.equal("put ?/?", printable.op("put", "\0", "\255"))
      assert.equal("put /", printable.op("put", "", ""))
      assert.equal("put s3/..", printable.op("put", "s3", ".."))
      assert.equal("put s3/a b", printable.op("put", "s3", "a\226\128\174b"))
    end)

    it("shortens long ones between characters", function()
      for shift = 0, 2 do
        local op = printable.op("put", "s3", ("x"):rep(shift) .. ("日"):rep(341))
        assert.is_true(#op <= 260 and is_utf8(op))
        assert.matches("%.%.%.$", op)
      end
      assert.is_true(#printable.op("put", ("x"):rep(1e6), ("\n"):rep(1e6)) <= 260)
    end)
  end)

  describe("kinds", function()
    it("are those of the annotation, and each has an exit code", function()
      local listed = {}
      for line in io.lines("lua/bytenite/secrets/errors.lua") do
        local kind = line:match('^%-%-%-| "([%l_]+)"')
        if kind then listed[kind] = true end
      end
      for kind in pairs(listed) do
        assert.is_not_nil(kinds[kind], kind)
      end
      for kind in pairs(kinds) do
        assert.is_true(listed[kind], kind)
        assert.is_number(exit.code_of { kind = kind }, kind)
      end
    end)
  end)
end)
