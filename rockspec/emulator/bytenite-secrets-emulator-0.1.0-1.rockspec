rockspec_format = "3.0"
package = "bytenite-secrets-emulator"
version = "0.1.0-1"
source = {
  url = "file://bytenite-secrets-0.1.0.tar.gz",
}
description = {
  summary = "A stand-in for ByteNite's Secrets API, for tests and demos",
  detailed = [[
    Adds the HTTP server of the module bytenite.secrets.emulator, which the rock bytenite-secrets
    brings, by GNU libmicrohttpd.]],
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.1, < 5.5",
  "bytenite-secrets == 0.1.0",
}
external_dependencies = {
  MICROHTTPD = { library = "microhttpd" },
}
build = {
  type = "make",
  build_target = "emulator",
  install_target = "install-emulator",
  build_variables = {
    BUILD = ".build/rock$(LUA_INCDIR)",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
    CURL_CFLAGS = "",
    MICROHTTPD_CFLAGS = "-I$(MICROHTTPD_INCDIR)",
    MICROHTTPD_LIBS = "-L$(MICROHTTPD_LIBDIR) -lmicrohttpd",
  },
  install_variables = {
    BUILD = ".build/rock$(LUA_INCDIR)",
    LIBDIR = "$(LIBDIR)",
  },
}
