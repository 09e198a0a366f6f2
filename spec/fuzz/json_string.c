/* Any bytes as a string: the valid part of them is written as JSON and read
 * back without a change, by our reader and by lua-cjson. */
#include "fuzz.h"

#include "bytes/utf8.h"
#include "json/scan.h"
#include "json/string.h"
#include "json/write.h"

/* The code points one by one, through the decoder that Lua has for them. */
static void check_utf8(lua_State *L, const char *text, size_t length) {
  lua_getglobal(L, "utf8");
  lua_getfield(L, -1, "len");
  lua_pushlstring(L, text, length);
  lua_call(L, 1, 1);
  check(lua_isinteger(L, -1));
  lua_settop(L, 0);
}

/* What follows the prefix must be no character of UTF-8, for Lua either. */
static void check_stop(lua_State *L, const char *text, size_t length) {
  lua_getglobal(L, "utf8");
  lua_getfield(L, -1, "len");
  lua_pushlstring(L, text, length);
  lua_pushinteger(L, 1);
  lua_pushinteger(L, 1);
  lua_call(L, 3, 2);
  check(lua_isnil(L, -2) && lua_tointeger(L, -1) == 1);
  lua_settop(L, 0);
}

static void check_written(lua_State *L, const char *text, size_t length) {
  buffer json;
  buffer back;
  json_report report;
  size_t got;
  buffer_init(&json, 6 * length + 2);
  buffer_init(&back, length);
  check(json_write_string(&json, text, length));
  check(
    json_scan(json.data, json.length, &report, NULL, NULL) == JSON_VALID
  );
  check(json_read_string(&back, json.data, json.length));
  check(back.length == length);
  check(length == 0 || memcmp(back.data, text, length) == 0);
  check(fuzz_cjson(L, json.data, json.length));
  check(lua_type(L, -1) == LUA_TSTRING);
  check(memcmp(lua_tolstring(L, -1, &got), text, length) == 0);
  check(got == length);
  buffer_free(&json);
  buffer_free(&back);
}

/* The bytes as what stands between two quotes, escapes included. */
static void check_read(lua_State *L, const char *text, size_t length) {
  buffer json;
  buffer plain;
  json_report report;
  buffer_init(&json, length + 2);
  buffer_init(&plain, length);
  buffer_text(&json, "\"");
  buffer_append(&json, text, length);
  buffer_text(&json, "\"");
  if (json_scan(json.data, json.length, &report, NULL, NULL) == JSON_VALID) {
    size_t got;
    const char *bytes;
    check(json_read_string(&plain, json.data, json.length));
    check(fuzz_cjson(L, json.data, json.length));
    bytes = lua_tolstring(L, -1, &got);
    check(got == plain.length);
    check(got == 0 || memcmp(bytes, plain.data, got) == 0);
    check(utf8_prefix(bytes, got) == got);
  }
  buffer_free(&json);
  buffer_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = fuzz_lua();
  char *text = fuzz_copy(data, size);
  size_t length = utf8_prefix(text, size);
  check(length <= size);
  check_utf8(L, text, length);
  if (length < size) check_stop(L, text + length, size - length);
  check_written(L, text, length);
  check_read(L, text, size);
  free(text);
  fuzz_lua_end(L);
  return 0;
}
