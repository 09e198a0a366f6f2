local host = require "host"

local KEY = "mark3d-key-of-neovim"

describe("Neovim", function()
  local place

  before_each(function()
    place = host.place("neovim", "5.1")
    place:write("key", KEY)
  end)

  after_each(host.clean_up)

  -- Sources the plugin, and then runs a script that finds `run` and `seen`.
  local function run(script)
    place:write("test.lua", [[
      vim.cmd "source credentials.lua"

      local messages = {}
      local notify = vim.schedule_wrap(vim.notify)
      function vim.notify(text, ...)
        messages[#messages + 1] = text
        notify(text .. "\n", ...)
      end

      -- Runs a command of the plugin and waits, while the loop runs, until something holds.
      local function run(command, holds)
        vim.cmd(command)
        assert(vim.wait(20000, holds, 10), command .. " does not come to its end")
      end

      local function message(text)
        return function()
          return messages[#messages] and messages[#messages]:find(text)
        end
      end

      local function lines(count)
        return function()
          return vim.bo.buftype == "nofile" and vim.api.nvim_buf_line_count(0) == count
        end
      end

      local ok, err = pcall(function()
        ]] .. script .. [[

      end)
      if not ok then print(err) end
      vim.cmd(ok and "qall!" or "cquit!")
    ]])
    local status = place:run("nvim", "--headless", "-n", "-u", "NONE", "-i", "NONE", "-S",
      "test.lua")
    assert.are.equal(0, status, place:log())
    place:assert_no_secret(KEY)
  end

  it("lists, stores and removes", function()
    run [[
      run("CredentialPut s3 my-key key", message "^s3/my%-key is stored$")
      run("Credentials", lines(1))
      assert(vim.api.nvim_get_current_line() == "s3/my-key")
      run("CredentialDelete s3 my-key", message "^s3/my%-key is removed$")
    ]]
    assert.are.same({}, place.emulator:secrets())
    assert.matches('"secretKey":"' .. KEY, place.emulator:requests()[2].body, 1, true)
  end)

  it("finds the loop under the name that newer ones give it", function()
    run [[
      vim.uv, vim.loop = vim.loop, nil
      run("CredentialPut s3 my-key key", message "^s3/my%-key is stored$")
    ]]
  end)

  it("goes on while calls wait, and shows their results in one go", function()
    place.emulator:fail { op = "list", times = math.huge, delay = 1 }
    run [[
      local ticks, windows = 0, 0
      local timer = vim.loop.new_timer()
      timer:start(0, 10, function() ticks = ticks + 1 end)
      vim.api.nvim_create_autocmd("BufNew", { callback = function() windows = windows + 1 end })
      for _ = 1, 9 do vim.cmd "Credentials" end
      local started = vim.loop.hrtime()
      run("Credentials", function() return windows == 10 end)
      local seconds = (vim.loop.hrtime() - started) / 1e9
      timer:close()
      assert(ticks >= 20, ticks)
      assert(seconds < 5, seconds)
    ]]
  end)

  it("shows errors, and survives that the service goes away", function()
    place:refuse_put(KEY)
    run [[
      run("CredentialPut s3 my-key key", message "put s3/my%-key: .*HTTP 400.* is too short")
      run("CredentialPut s3 my-key no-such-file", message "no%-such%-file")
    ]]
    place.emulator:fail { op = "list", times = math.huge, drop = "after" }
    run [[
      run("Credentials", message "list: no answer from the service")
    ]]
  end)

  it("ends in good order while a call waits", function()
    place.emulator:fail { op = "list", delay = 10 }
    run [[
      vim.cmd "Credentials"
      vim.wait(300)
    ]]
    assert.are.equal(2, #place.emulator:requests())
  end)
end)
