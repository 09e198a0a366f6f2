/* luaopen: the module `bytenite.secrets.core`, on which the Lua layer stands.
 *
 *   client(options)           see client.h
 *   first_done(calls, from?)  see call.h
 *   secret_from_*(...), is_secret_string(value)   see secret_string.h
 *   check_record(secret), is_loopback(base_url), ...   see checks.h
 *   info(), sleep(seconds), is_set(name), ...   see system.h
 *   is_terminal(fd), ...      see terminal.h
 *   encode(value)             JSON text | nil, problem
 *   decode(text)              value, exact: no integer was rounded
 *                             | nil, problem
 *   redact(text, secret)      the text without what it shares with a secret
 *                             | nil when memory is short
 *   inexact                   weak set of records with rounded integers
 *   array_mt, null, version
 */
#include "bytes/redact.h"
#include "compat.h"
#include "core/answer.h"
#include "core/call.h"
#include "core/checks.h"
#include "core/client.h"
#include "core/json_decode.h"
#include "core/json_encode.h"
#include "core/operations.h"
#include "core/perform.h"
#include "core/scratch.h"
#include "core/secret_string.h"
#include "core/system.h"
#include "core/terminal.h"
#include "core/token.h"
#include "http/libcurl.h"
#include "version.h"

COMPAT_EXPORT int luaopen_bytenite_secrets_core(lua_State *L);
COMPAT_BUILT_FOR;

/* --- JSON, for the layers above and for the emulator --- */

static int core_encode(lua_State *L) {
  buffer *out;
  const char *problem;
  luaL_checkany(L, 1);
  out = scratch_push(L);
  if (out == NULL) return luaL_error(L, "not enough memory");
  problem = json_encode(L, 1, out, "value", JSON_MAX_DEPTH);
  if (problem == NULL && out->state == BUFFER_OK) {
    lua_pushlstring(L, out->data, out->length);
  } else if (problem == NULL) {
    luaL_error(L, "not enough memory");
  } else {
    lua_pushnil(L);
    lua_pushfstring(L, "%s %s", lua_tostring(L, -2), problem);
  }
  buffer_free(out);
  return problem == NULL ? 1 : 2;
}

static int core_decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  buffer *copy = scratch_push(L);
  json_report report;
  json_verdict verdict;
  if (copy == NULL || !buffer_append(copy, text, length)) {
    return luaL_error(L, "not enough memory");
  }
  verdict = json_decode(L, copy, &report);
  if (verdict == JSON_VALID) {
    lua_pushboolean(L, report.marks == 0 || json_restore(L));
    return 2;
  }
  if (copy->state != BUFFER_OK) luaL_error(L, "not enough memory");
  buffer_free(copy);
  lua_pushnil(L);
  if (verdict == JSON_TOO_LARGE) {
    lua_pushliteral(L, "too large");
    return 2;
  }
  lua_pushliteral(L, "not JSON at byte ");
  lua_pushinteger(L, (lua_Integer)report.at + 1);
  lua_concat(L, 2);
  return 2;
}

/* --- redaction --- */

static int core_redact(lua_State *L) {
  size_t length;
  size_t secret_length;
  const char *text = luaL_checklstring(L, 1, &length);
  buffer *copy = scratch_push(L);
  const char *key = check_credential(L, 2, &secret_length);
  if (copy == NULL || !buffer_append(copy, text, length)) {
    lua_pushnil(L);
    return 1;
  }
  redact(copy->data, length, key, secret_length);
  lua_pushlstring(L, copy->data, length);
  buffer_free(copy);
  return 1;
}

/* --- the module --- */

/* The libcurl that is loaded may be older than the one of the headers. */
static void check_libcurl(lua_State *L) {
  libcurl_facts libcurl = libcurl_loaded();
  if (!libcurl.is_old) return;
  luaL_error(L, "bytenite.secrets was built for libcurl %s or newer; "
    "this is %s", LIBCURL_OLDEST_TEXT, libcurl.version);
}

static const luaL_Reg functions[] = {
  {"decode", core_decode},
  {"encode", core_encode},
  {"redact", core_redact},
  {NULL, NULL},
};

int luaopen_bytenite_secrets_core(lua_State *L) {
  luaL_checkversion(L);
  check_libcurl(L);
  if (!libcurl_start()) return luaL_error(L, "libcurl does not start");
  json_encode_open(L);
  json_decode_open(L);
  scratch_open(L);
  answer_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  call_open(L);
  checks_open(L);
  client_open(L);
  operations_open(L);
  perform_open(L);
  secret_string_open(L);
  system_open(L);
  terminal_open(L);
  token_open(L);
  json_push_array_mt(L);
  lua_setfield(L, -2, "array_mt");
  json_push_null(L);
  lua_setfield(L, -2, "null");
  answer_push_inexact(L);
  lua_setfield(L, -2, "inexact");
  lua_pushliteral(L, BYTENITE_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
