-- The C modules with another Lua, or another libcurl, than they are made for.

local child = require "child"
local process = require "process"
local shell = require "shell"

local LUA = os.getenv "LUA" or "lua"
local BUILD = os.getenv "BUILD" or ".build"
local VERSIONS = { "5.1", "5.2", "5.3", "5.4", "jit" }

-- What a module says when a script finds only the build for `version`.
local function require_from(version, module)
  local _, output = child.run(("package.cpath = '.build/%s/?.so'; print(pcall(require, '%s'))")
    :format(version, module))
  return output
end

describe("a module built for another Lua says so in one line", function()
  for _, version in ipairs(VERSIONS) do
    local abi = version == "jit" and "5.1" or version
    if "Lua " .. abi ~= _VERSION then
      it("when that is " .. version, function()
        shell(("unset MAKEFLAGS; make -s core emulator LUA_VERSION=%s"):format(version))
        for _, module in ipairs { "bytenite.secrets", "bytenite.secrets.emulator" } do
          assert.equal(("false\tbytenite.secrets: .build/%s/bytenite/secrets/core.so was built for "
            .. "Lua %s, and this is %s\n"):format(version, abi, _VERSION),
            require_from(version, module))
        end
      end)
    end
  end

  it("when only the emulator's server is", function()
    local other = _VERSION == "Lua 5.3" and "5.4" or "5.3"
    shell(("unset MAKEFLAGS; make -s emulator LUA_VERSION=%s"):format(other))
    local _, output = child.run(([[
      require "bytenite.secrets"
      package.cpath = ".build/%s/?.so"
      print(pcall(require, "bytenite.secrets.emulator"))
    ]]):format(other))
    assert.matches(("emulator/server%%.so was built for Lua %s, and this is %s")
      :format(other, _VERSION), output)
  end)
end)

-- Runs a script between which and libcurl the module `old_libcurl` stands, as `old`.
local function with_old_libcurl(script)
  local pid, fd = child.preload(BUILD .. "/old_libcurl.so", LUA, "-e",
    'local old = require "old_libcurl"\n' .. script)
  local output = child.read_all(fd)
  assert.equal(0, process.wait(pid), output)
  return output
end

describe("an older libcurl", function()
  it("than 7.80 is refused when the module is built", function()
    local function build_with(number)
      return (shell(([[
        printf '#include <curl/curlver.h>\n#undef LIBCURL_VERSION_NUM\n%%s\n#include "%%s"\n' \
          '#define LIBCURL_VERSION_NUM %s' http/libcurl.h |
          ${CC:-cc} -fsyntax-only -D_GNU_SOURCE -Isrc $(pkg-config --cflags libcurl) -x c - 2>&1]])
        :format(number)))
    end
    assert.matches("bytenite%.secrets needs libcurl 7%.80 or newer", build_with "0x074F01")
    assert.equal("", build_with "0x075000")
  end)

  it("than the headers ask for is refused when the module is loaded", function()
    assert.equal("false\tbytenite.secrets was built for libcurl 7.85 or newer; this is 7.84.0\n",
      with_old_libcurl [[
        old.version("7.84.0", 0x075400)
        print(pcall(require, "bytenite.secrets"))
      ]])
  end)

  it("makes no client when it refuses any option that security depends on", function()
    local output = with_old_libcurl [[
      local secrets = require "bytenite.secrets"
      local position, option = 0
      repeat
        position = position + 1
        old.refuse(position)
        local client, err = secrets.new { access_token = "token", ignore_env = true,
          proxy = "http://proxy.example" }
        option = old.refused()
        if option then print(option, err and err.kind, err and err.message) end
      until not option
    ]]
    for _, option in ipairs { "SSL_VERIFYPEER", "SSL_VERIFYHOST", "SSLVERSION", "FOLLOWLOCATION",
      "NETRC", "PROXY_SSL_VERIFYPEER", "PROXY_SSL_VERIFYHOST", "HEADEROPT", "HTTPPROXYTUNNEL" } do
      local line = ("\n%s\tconfig\tnew: this libcurl refuses an option that security depends on\n")
        :format(option)
      assert.truthy(output:find(line, 1, true), option .. " in\n" .. output)
    end
    for option, kind in output:gmatch "([%u_]+)\t(%w+)[^\n]*\n" do
      -- Without these a call only ends later where a resolver hangs, or takes more memory.
      local spared = option == "QUICK_EXIT" or option == "UPLOAD_BUFFERSIZE"
      assert.equal(spared and "nil" or "config", kind, option)
    end
  end)
end)
