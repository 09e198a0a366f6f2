#include "core/checks.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/facts.h"
#include "core/record.h"
#include "core/scratch.h"
#include "core/secret_string.h"
#include "core/token.h"
#include "http/authorization.h"
#include "http/url.h"

static int core_check_record(lua_State *L) {
  buffer *out;
  const char *field = NULL;
  const char *problem = NULL;
  luaL_checktype(L, 1, LUA_TTABLE);
  out = scratch_push(L);
  if (out != NULL) { /* else put will find that memory is short */
    problem = record_encode(L, 1, out, &field);
    buffer_free(out);
  }
  if (problem != NULL) return facts_push_invalid(L, field, problem);
  lua_pushboolean(L, 1);
  return 1;
}

/* Pushes what a check of bytes returns. */
static int push_verdict(lua_State *L, const char *problem) {
  if (problem == NULL) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, problem);
  return 2;
}

static int core_is_plain_record(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, record_is_plain(L, 1));
  return 1;
}

static int core_check_segment(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  return push_verdict(L, segment_problem(text, length));
}

static int core_check_key(lua_State *L) {
  size_t length;
  const char *key = check_credential(L, 1, &length);
  return push_verdict(L, secret_key_problem(key, length));
}

static int core_is_printable(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  size_t i = 0;
  while (i < length && text[i] >= ' ' && text[i] <= '~') i++;
  lua_pushboolean(L, i == length);
  return 1;
}

static bool is_newline(char c) {
  return c == '\n' || c == '\r';
}

/* Text of several lines may well end with a newline; a single line got it by
 * accident. */
static int core_has_stray_newline(lua_State *L) {
  size_t length;
  const char *text = check_credential(L, 1, &length);
  const char *end = text + length;
  const char *c;
  while (end > text && is_newline(end[-1])) end--;
  while (text < end && is_newline(*text)) text++;
  for (c = text; c < end && !is_newline(*c); c++) continue;
  lua_pushboolean(L, c == end && (size_t)(end - text) < length);
  return 1;
}

static int core_check_token(lua_State *L) {
  size_t length;
  const char *token = check_token(L, 1, 2, &length);
  return push_verdict(L, token_problem(token, length));
}

static int core_is_loopback(lua_State *L) {
  const char *url = luaL_checkstring(L, 1);
  base_url base = {NULL, NULL, false};
  bool loopback = base_url_parse(&base, url, true) == NULL && base.loopback;
  base_url_free(&base);
  lua_pushboolean(L, loopback);
  return 1;
}

static const luaL_Reg functions[] = {
  {"check_key", core_check_key},
  {"check_record", core_check_record},
  {"check_segment", core_check_segment},
  {"check_token", core_check_token},
  {"has_stray_newline", core_has_stray_newline},
  {"is_loopback", core_is_loopback},
  {"is_plain_record", core_is_plain_record},
  {"is_printable", core_is_printable},
  {NULL, NULL},
};

void checks_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
