rockspec_format = "3.0"
package = "bytenite-secrets"
version = "0.1.0-1"
source = {
  url = "file://bytenite-secrets-0.1.0.tar.gz",
}
description = {
  summary = "A client for ByteNite's Secrets API",
  detailed = [[
    Lists, stores and removes the credentials that cloud jobs read and write data with. The HTTP
    exchange happens in C with libcurl; policy, errors and helpers are Lua.]],
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.1, < 5.5",
  "lua-cjson >= 2.1.0",
}
external_dependencies = {
  CURL = { library = "curl" },
}
build = {
  type = "make",
  build_target = "core",
  install_target = "install-core",
  build_variables = {
    BUILD = ".build/rock$(LUA_INCDIR)",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
    CURL_CFLAGS = "-I$(CURL_INCDIR)",
    CURL_LIBS = "-L$(CURL_LIBDIR) -lcurl",
    MICROHTTPD_CFLAGS = "",
  },
  install_variables = {
    BUILD = ".build/rock$(LUA_INCDIR)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
  },
  install = {
    bin = { ["bytenite-secrets"] = "lua/bytenite-secrets" },
  },
}
