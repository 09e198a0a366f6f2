-- The lint of the layers: what `make lint` refuses of the includes in src/.

local lfs = require "lfs"
local shell = require "shell"

describe("The lint of the layers", function()
  local place

  before_each(function()
    place = shell("mktemp -d"):gsub("%s+$", "")
    for _, folder in ipairs { "bytes", "json", "http", "http/tls", "core", "emulator" } do
      assert(lfs.mkdir(place .. "/" .. folder))
    end
  end)

  after_each(function()
    shell("rm -r " .. place)
  end)

  local function write(path, text)
    local file = assert(io.open(place .. "/" .. path, "w"))
    file:write(text, "\n")
    file:close()
  end

  local function complaints()
    return (shell("spec/support/layers " .. place .. " 2>&1; true"))
  end

  it("accepts the sources as they are", function()
    assert.equal("", (shell("spec/support/layers 2>&1; true")))
  end)

  for case, refused in pairs {
    ["an arrow up"] = { "bytes/buffer.h", '#include "json/scan.h"',
      "bytes/buffer.h includes json/scan.h" },
    ["an arrow up to the binding"] = { "http/url.c", '#include "core/client.h"',
      "http/url.c includes core/client.h" },
    ["an arrow from TLS to HTTP"] = { "http/tls/openssl.c", '#include "http/url.h"',
      "http/tls/openssl.c includes http/url.h" },
    ["the emulator on HTTP"] = { "emulator/http.c", '#include "http/url.h"',
      "emulator/http.c includes http/url.h" },
    ["Lua below the binding"] = { "json/scan.c", "#include <lauxlib.h>",
      "json/scan.c includes <lauxlib.h>" },
    ["compat.h below the binding"] = { "http/url.h", '#include "compat.h"',
      "http/url.h includes compat.h" },
    ["libcurl in the binding"] = { "core/client.c", "#include <curl/curl.h>",
      "core/client.c includes <curl/curl.h>" },
    ["libcurl's functions in the binding"] = { "core/client.c", "int t = curl_getdate(s, NULL);",
      "core/client.c names libcurl's functions or codes" },
    ["libcurl among bytes"] = { "bytes/memory.c", "#include <curl/curl.h>",
      "bytes/memory.c includes <curl/curl.h>" },
    ["OpenSSL outside of its folder"] = { "http/model.c", '#include "http/tls/openssl.h"',
      "http/model.c includes http/tls/openssl.h, which only http/tls/ may" },
    ["OpenSSL's own headers"] = { "http/tls/cleanse.c", "#include <openssl/ssl.h>",
      "http/tls/cleanse.c includes <openssl/ssl.h>, which no file may" },
    ["epoll outside of its file"] = { "http/drive.c", "#include <sys/epoll.h>",
      "http/drive.c includes <sys/epoll.h>, which only http/poller.c may" },
  } do
    it("refuses " .. case, function()
      write(refused[1], refused[2])
      assert.equal(refused[3] .. "\n", complaints())
    end)
  end

  it("refuses two files that need each other", function()
    write("http/transport.c", '#include "http/exchange.h"')
    write("http/exchange.h", '#include "http/handle.h"')
    write("http/handle.c", '#include "http/transport.h"')
    assert.matches("a circle", complaints())
  end)
end)
