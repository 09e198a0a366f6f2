local time = require "bytenite.secrets.time"

describe("bytenite.secrets.time", function()
  describe("parse", function()
    it("gives the seconds since 1970 of a time in UTC", function()
      assert.equal(0, time.parse "1970-01-01T00:00:00Z")
      assert.equal(1, time.parse "1970-01-01T00:00:01Z")
      assert.equal(1767031347, time.parse "2025-12-29T18:02:27Z")
      assert.equal(-1, time.parse "1969-12-31T23:59:59Z")
    end)

    it("counts fractions of a second", function()
      assert.near(1767031347.14, time.parse "2025-12-29T18:02:27.140Z", 1e-6)
      assert.near(0.5, time.parse "1970-01-01T00:00:00.5Z", 1e-9)
      assert.near(-0.25, time.parse "1969-12-31T23:59:59.75Z", 1e-9)
    end)

    it("reads a fraction of any length", function()
      assert.near(1 / 3, time.parse("1970-01-01T00:00:00." .. ("3"):rep(500) .. "Z"), 1e-8)
    end)

    it("takes the distance from UTC into account", function()
      local moment = time.parse "2025-12-29T18:02:27Z"
      assert.equal(moment, time.parse "2025-12-29T19:02:27+01:00")
      assert.equal(moment, time.parse "2025-12-29T12:32:27-05:30")
      assert.equal(moment, time.parse "2025-12-30T17:02:27+23:00")
      assert.equal(moment, time.parse "2025-12-29T18:02:27-00:00")
    end)

    it("reads small letters, as the format allows", function()
      assert.equal(0, time.parse "1970-01-01t00:00:00z")
    end)

    it("knows the leap years", function()
      assert.equal(86400, time.parse "2024-03-01T00:00:00Z" - time.parse "2024-02-29T00:00:00Z")
      assert.equal(86400, time.parse "2000-03-01T00:00:00Z" - time.parse "2000-02-29T00:00:00Z")
      assert.equal(86400, time.parse "2100-03-01T00:00:00Z" - time.parse "2100-02-28T00:00:00Z")
      assert.is_nil(time.parse "2025-02-29T00:00:00Z")
      assert.is_nil(time.parse "2100-02-29T00:00:00Z")
    end)

    it("counts a leap second as the first second after it", function()
      assert.equal(time.parse "2017-01-01T00:00:00Z", time.parse "2016-12-31T23:59:60Z")
    end)

    it("gives nil for what is no timestamp", function()
      for _, text in ipairs {
        "", "tomorrow", "2025-12-29", "2025-12-29T18:02:27", "2025-12-29 18:02:27Z",
        "2025-12-29T18:02Z", "2025-12-29T18:02:27.Z", "2025-12-29T18:02:27,5Z",
        "2025-12-29T18:02:27+0100", "2025-12-29T18:02:27+1:00", "2025-12-29T18:02:27+24:00",
        "2025-12-29T18:02:27+01:60", "2025-12-29T18:02:27Zulu", " 2025-12-29T18:02:27Z",
        "2025-12-29T18:02:27Z\n", "2025-12-29T18:02:2714Z", "25-12-29T18:02:27Z",
        "2025-00-29T18:02:27Z", "2025-13-29T18:02:27Z", "2025-12-00T18:02:27Z",
        "2025-12-32T18:02:27Z", "2025-04-31T18:02:27Z", "2025-12-29T24:02:27Z",
        "2025-12-29T18:60:27Z", "2025-12-29T18:02:61Z", "-2025-12-29T18:02:27Z",
        "2025-12-29T18:02:27\0Z",
      } do
        assert.is_nil(time.parse(text), text)
      end
    end)
  end)

  describe("format", function()
    it("writes a time in UTC", function()
      assert.equal("1970-01-01T00:00:00Z", time.format(0))
      assert.equal("2025-12-29T18:02:27Z", time.format(1767031347))
      assert.equal("1969-12-31T23:59:59Z", time.format(-1))
    end)

    it("writes milliseconds when there are some", function()
      assert.equal("2025-12-29T18:02:27.140Z", time.format(1767031347.14))
      assert.equal("1970-01-01T00:00:00.001Z", time.format(0.001))
      assert.equal("1969-12-31T23:59:59.750Z", time.format(-0.25))
      assert.equal("1970-01-01T00:00:05Z", time.format(5.0))
    end)

    it("rounds to the nearest millisecond, across a second's end if need be", function()
      assert.equal("1970-01-01T00:00:00.123Z", time.format(0.1234))
      assert.equal("1970-01-01T00:00:01Z", time.format(0.9999))
    end)

    it("reaches from the year 0 to the end of the year 9999", function()
      assert.equal("0000-01-01T00:00:00Z", time.format(-62167219200))
      assert.equal("9999-12-31T23:59:59Z", time.format(253402300799))
      assert.equal("9999-12-31T23:59:59.999Z", time.format(253402300799.999))
      assert.is_nil(time.format(-62167219201))
      assert.is_nil(time.format(253402300800))
      assert.is_nil(time.format(math.huge))
      assert.is_nil(time.format(-math.huge))
      assert.is_nil(time.format(0 / 0))
    end)

    it("writes what parse reads back, throughout the calendar", function()
      -- In steps of some 97 days, which come past all days of the year and times of the day.
      local wrong = {}
      for moment = -62167219200, 253402300799, 8418097 do
        local text = time.format(moment)
        if time.parse(text) ~= moment then wrong[#wrong + 1] = text end
      end
      assert.same({}, wrong)
    end)

    it("agrees with the system's calendar", function()
      for moment = 0, 4102444800, 7654321 do
        assert.equal(os.date("!%Y-%m-%dT%H:%M:%SZ", moment), time.format(moment))
      end
    end)
  end)
end)
