-- What the web servers have in common: each recipe is a page at /credentials, where GET lists,
-- PUT /credentials/TYPE/ID stores the body as that secret's key and DELETE removes it.

local busted = require "busted"
local host = require "host"
local socket = require "socket"

local assert = require "luassert"

local describe, it = busted.describe, busted.it
local before_each, after_each = busted.before_each, busted.after_each

local KEY = "mark3d-key-of-a-page"

local page = {}

---Sends a request for the list to the host, and waits until it asks the service.
---@param place table
---@param delay number seconds until the service answers
---@return fun(): string? answer
function page.start_slow_list(place, delay)
  local emulator = place.emulator
  local function lists()
    local count = 0
    for _, request in ipairs(emulator:requests()) do
      if request.method == "GET" then count = count + 1 end
    end
    return count
  end
  local before = lists()
  emulator:fail { op = "list", times = math.huge, delay = delay }
  local answer = place:begin("GET", "/credentials")
  host.eventually(function()
    return lists() > before
  end)
  return answer
end

---Describes a host whose recipe is such a page.
---@param options { name: string, folder: string, abi: string, command: string[], signal: integer?,
--- statuses: table<integer, true>?, blocks: boolean?, prepare: fun(place: table)? }
--- signal: ends the host, SIGTERM by default; statuses: that it may then end with, 0 by default;
--- blocks: while a call waits, others have to wait too; prepare: changes the files before the host
--- starts
function page.describe(options)
  describe(options.name .. ": a page of credentials", function()
    local place, emulator

    before_each(function()
      place = host.place(options.folder, options.abi)
      place.signal = options.signal or place.signal
      if options.prepare then options.prepare(place) end
      emulator = place.emulator
      place:start((table.unpack or unpack)(options.command))
    end)

    after_each(host.clean_up)

    local function assert_end()
      local status = place:stop()
      assert.is_true((options.statuses or { [0] = true })[status], "it ends with " .. status)
    end

    it("lists, stores and removes", function()
      assert.are.same({ 200, "" }, { place:request("GET", "/credentials") })
      assert.are.same({ 200, "" }, { place:request("PUT", "/credentials/s3/my-key", KEY) })
      assert.are.same({ 200, "s3/my-key\n" }, { place:request("GET", "/credentials") })
      assert.are.equal(KEY, emulator:secrets()[1].secretKey)
      assert.are.same({ 200, "" }, { place:request("DELETE", "/credentials/s3/my-key") })
      assert.are.same({ 200, "" }, { place:request("GET", "/credentials") })
      assert_end()
      place:assert_no_secret(KEY)
    end)

    it("logs what the service refuses, without credentials", function()
      place:refuse_put(KEY)
      local status, body = place:request("PUT", "/credentials/s3/my-key", KEY)
      assert.are.equal(502, status)
      assert.matches("too short", body)
      assert.is_nil(body:find(KEY, 1, true))
      local log = place:log()
      assert.matches("bytenite%.secrets: put s3/my%-key: .*%(HTTP 400%): .* is too short", log)
      place:assert_no_secret(KEY)
    end)

    it("survives that connections break and that the service goes away", function()
      assert.are.equal(200, (place:request("PUT", "/credentials/s3/my-key", KEY)))
      emulator:fail { drop = "after" }
      assert.are.equal(200, (place:request("GET", "/credentials")))
      emulator:stop()
      for _ = 1, 2 do
        assert.are.equal(502, (place:request("GET", "/credentials")))
        assert.are.equal(502, (place:request("PUT", "/credentials/s3/my-key", KEY)))
      end
      assert.are.equal(404, (place:request("GET", "/nothing")))
      local log = place:log()
      assert.matches("bytenite%.secrets: list: [^\n]*no answer from the service %(Failed to", log)
      assert.is_nil(log:find(KEY, 1, true))
      assert_end()
    end)

    if options.blocks then
      it("keeps others waiting no longer than its deadline", function()
        local answer = page.start_slow_list(place, 10)
        local started = socket.gettime()
        assert.are.equal(404, (place:request("GET", "/nothing")))
        assert.is_true(socket.gettime() - started < 5)
        assert.matches("502", answer())
      end)
    else
      it("serves others while calls wait", function()
        local answers = {}
        for number = 1, 5 do
          answers[number] = page.start_slow_list(place, 2)
        end
        local started = socket.gettime()
        assert.are.equal(404, (place:request("GET", "/nothing")))
        assert.is_true(socket.gettime() - started < 1.5)
        for _, answer in ipairs(answers) do
          assert.matches("^HTTP/1%.%d 200", answer())
        end
        assert.is_true(socket.gettime() - started < 6)
      end)
    end

    it("ends in good order while a call waits", function()
      page.start_slow_list(place, 1)
      assert_end()
    end)
  end)
end

return page
