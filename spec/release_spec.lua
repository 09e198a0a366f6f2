-- What stands in the way of a release (spec/support/release-check), each tried in a clone.

local shell = require "shell"

local VERSION = require("bytenite.secrets")._VERSION
local IS_CLONE = shell("git rev-parse HEAD 2>/dev/null") ~= ""

local CHECK = shell("pwd"):match("[^\n]+") .. "/spec/support/release-check"

local CLONE = [[
set -e
git clone -q . "%s/clone"
cd "%s/clone"
git config user.name "A Name"
git config user.email name@example.com
sed -i '/^## Unreleased$/,/^## [0-9]/{/^## [0-9]/!d}' CHANGELOG.md
git commit -q --allow-empty -a -m "Release"
]]

describe("A release", function()
  local place

  before_each(function()
    place = shell("mktemp -d"):match("[^\n]+")
    if IS_CLONE then shell(CLONE:format(place, place)) end
  end)

  after_each(function()
    shell(("rm -rf '%s'"):format(place))
  end)

  -- Runs the check in the clone after a script.
  local function check(script)
    local output = shell(("cd '%s/clone'; unset MAKEFLAGS; { %s\n} >/dev/null; %s %s 2>&1; "
      .. "echo exit $?"):format(place, script, CHECK, VERSION))
    local failures = {}
    for text in output:gmatch("FAILED  ([^\n]+)") do
      failures[#failures + 1] = text
    end
    return failures, output
  end

  local function assert_fails(text, script)
    local failures, output = check(script)
    assert.same({ text }, failures, output)
    assert.matches("exit 1\n$", output)
  end

  if not IS_CLONE then
    return pending "this is no clone of the repository"
  end

  it("is fit when nothing stands in its way, and the sums of its files are shown", function()
    local failures, output = check ":"
    assert.same({}, failures, output)
    assert.matches("exit 0\n$", output)
    for _, pattern in ipairs { "%-secrets%-[%d.]+%.tar%.gz", "%-secrets%-[%d.]+%-%d+%.rockspec" } do
      assert.matches("\n" .. ("%x"):rep(64) .. "  bytenite" .. pattern .. "\n", output)
    end
  end)

  it("is not fit while something is changed or added since the last commit", function()
    assert_fails("nothing is changed or added since the last commit", "echo >new")
    assert_fails("nothing is changed or added since the last commit", "rm new; echo >>README.md")
  end)

  it("is not fit when it has a tag already", function()
    assert_fails(("there is no tag v%s yet"):format(VERSION), "git tag v" .. VERSION)
  end)

  it("is not fit while CHANGELOG.md has unreleased entries", function()
    assert_fails('CHANGELOG.md has no entries under "Unreleased"',
      "sed -i '0,/^## /s//## Unreleased\\n\\n- A change.\\n\\n&/' CHANGELOG.md; "
        .. "git commit -qam Change")
  end)

  it("is not fit when its archive differs each time", function()
    assert_fails("make dist writes the same bytes twice", [[mkdir ../bin
      printf '#!/bin/sh\ncat >/dev/null; head -c 8 /dev/urandom\n' >../bin/gzip
      chmod 755 ../bin/gzip; export PATH="$PWD/../bin:$PATH"]])
  end)
end)
