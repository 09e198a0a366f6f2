-- What README.md tells to type is typed.

local command = require "command"
local emulators = require "bytenite.secrets.emulator"
local environment = require "environment"
local read = require "read"
local terminals = require "terminal"

describe("README.md", function()
  local emulator

  before_each(function()
    environment.clear()
    emulator = assert(emulators.start())
  end)

  after_each(function()
    emulator:stop()
    environment.restore()
    command.clean_up()
  end)

  it("leads from nothing to a stored credential", function()
    local typed = assert(read("README.md"):match("\n```sh\n(.-)```"))
    local bin = command.file("bytenite-secrets",
      ('#!/bin/sh\nexec %s %s/lua/bytenite-secrets "$@"\n'):format(command.interpreter,
        os.getenv "PWD"))
    os.execute("chmod 700 " .. bin)
    local place = bin:match("^(.*)/")
    command.file(".bytenite-api-key", emulator.api_key .. "\n")
    environment.set {
      HOME = place, PATH = place .. ":" .. os.getenv "PATH", BYTENITE_BASE_URL = emulator.url,
    }
    local terminal = terminals.start("sh", "-ec", typed)
    assert.matches("credential", terminal:expect "Key of s3/my_key (not shown): ")
    terminal:type "MARKER-key\n"
    local status, screen = terminal:finish()
    assert.are.equal(0, status)
    assert.matches("s3    my_key .* AKIAIOSFODNN7EXAMPLE .* in %d+ days\r\n$",
      command.check(screen))
    assert.are.equal("MARKER-key", emulator:secrets()[1].secretKey)
  end)
end)

describe("README.md on the command line", function()
  local readme = read "README.md"

  it("names every command and its options", function()
    for _, name in ipairs {
      "list", "get", "put", "rotate", "delete", "plan", "apply", "env", "doctor", "emulator",
      "version",
    } do
      local row = readme:match("\n| (`" .. name .. "[ `][^\n]*)\n")
      assert.is_truthy(row, name)
      local help = command.run({ name, "--help" }).stdout
      command.clean_up()
      for option in row:gmatch("`[^`]*`") do
        for word in option:gmatch("%-%-[%a-]+") do
          assert.is_truthy(help:find(word, 1, true), name .. " " .. word)
        end
      end
    end
  end)
end)
