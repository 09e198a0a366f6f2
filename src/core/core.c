/* luaopen: the module `bytenite.secrets.core`, on which the Lua layer stands.
 *
 *   client(options)              see client.h
 *   secret_from_*(...)           see secret_string.h
 *   encode(value)                JSON text | nil, problem
 *   decode(text)                 value, exact: no integer was rounded
 *                                | nil, problem
 *   check_record(secret)         true | nil, facts: what put would refuse
 *   is_plain_record(value)       boolean: only known fields, of their types
 *   is_printable(text)           boolean: ASCII without control characters
 *   check_segment(text)          true | nil, problem: as an id or secretType
 *   check_key(key)               true | nil, problem: as a secretKey
 *   has_stray_newline(text)      whether a single line begins or ends with one
 *   check_token(token, trim?)    true | nil, problem: as a token or API key
 *   is_loopback(base_url)        whether its host is this machine
 *   redact(text, secret)         the text without what it shares with a secret
 *                                | nil when memory is short
 *   is_secret_string(value)      boolean
 *   is_set(name)                 whether a variable is there, and not empty
 *   has_yielded(thread)          whether a coroutine has yielded
 *   first_done(calls, from?)     see call.h
 *   inexact                      weak set of records with rounded integers
 *   monotonic()                  seconds of a clock that only goes forward
 *   sleep(seconds)               false when the script is to be interrupted
 *   random()                     a number from 0 up to 1
 *   info()                       { libcurl =, tls =, cjson =, scrubbing =,
 *                                memory_lock =, undumped =, async_dns = }
 *   ca_store()                   where the system's CA certificates are | nil
 *   is_terminal(fd), ...         see terminal.h
 *   array_mt, null, version
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes/clock.h"
#include "bytes/redact.h"
#include "bytes/secret.h"
#include "compat.h"
#include "core/answer.h"
#include "core/call.h"
#include "core/client.h"
#include "core/facts.h"
#include "core/json_decode.h"
#include "core/json_encode.h"
#include "core/operations.h"
#include "core/record.h"
#include "core/scratch.h"
#include "core/secret_string.h"
#include "core/terminal.h"
#include "http/curl_memory.h"
#include "http/libcurl.h"
#include "http/transport.h"
#include "http/trust.h"
#include "http/url.h"
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

/* --- checks without sending --- */

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

static int core_is_secret_string(lua_State *L) {
  lua_pushboolean(L, secret_string_is(L, 1));
  return 1;
}

/* --- the system --- */

/* Without making a Lua string of what may be a credential. */
static int core_is_set(lua_State *L) {
  const char *value = getenv(luaL_checkstring(L, 1));
  lua_pushboolean(L, value != NULL && *value != '\0');
  return 1;
}

static int core_monotonic(lua_State *L) {
  lua_pushnumber(L, (lua_Number)clock_now() / 1000);
  return 1;
}

static int core_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e6, 1, "seconds expected");
  lua_pushboolean(L, call_sleep(L, (long)(seconds * 1000)));
  return 1;
}

static int core_random(lua_State *L) {
  uint32_t bits = 0;
  if (getentropy(&bits, sizeof bits) != 0) {
    return luaL_error(L, "the system gives no random bytes");
  }
  lua_pushnumber(L, (lua_Number)bits / 4294967296.0);
  return 1;
}

static void set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

static void set_boolean(lua_State *L, const char *field, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, field);
}

/* `scrubbing` is "in force", or why it is not. */
static int core_info(lua_State *L) {
  static const char *const scrubbing[] = {
    "in force", "switched off", "unsupported", "too late"
  };
  const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
  secret_protection pages = secret_try();
  lua_newtable(L);
  set_text(L, "libcurl", curl->version);
  set_text(L, "tls", curl->ssl_version);
  json_push_version(L);
  lua_setfield(L, -2, "cjson");
  set_text(L, "scrubbing", scrubbing[curl_memory_scrubbing()]);
  set_boolean(L, "memory_lock", pages.locked);
  set_boolean(L, "undumped", pages.undumped);
  set_boolean(L, "async_dns", (curl->features & CURL_VERSION_ASYNCHDNS) != 0);
  return 1;
}

/* Whether a coroutine has yielded. nginx's coroutine.status knows those of the
 * same request alone, and calls others dead. */
static int core_has_yielded(lua_State *L) {
  lua_State *thread = lua_tothread(L, 1);
  lua_pushboolean(L, thread != NULL && lua_status(thread) == LUA_YIELD);
  return 1;
}

static int core_ca_store(lua_State *L) {
  lua_pushstring(L, trust_default());
  return 1;
}

/* --- the module --- */

/* The libcurl that is loaded may be older than the one of the headers. */
static void check_libcurl(lua_State *L) {
  const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
  if (curl->version_num >= LIBCURL_OLDEST_LOADED) return;
  luaL_error(L, "bytenite.secrets was built for libcurl %s or newer; "
    "this is %s", LIBCURL_OLDEST_TEXT, curl->version);
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void start_curl(void) {
  curl_ready = curl_memory_start();
}

static const luaL_Reg functions[] = {
  {"ca_store", core_ca_store},
  {"check_key", core_check_key},
  {"check_record", core_check_record},
  {"check_segment", core_check_segment},
  {"check_token", core_check_token},
  {"decode", core_decode},
  {"encode", core_encode},
  {"has_stray_newline", core_has_stray_newline},
  {"has_yielded", core_has_yielded},
  {"info", core_info},
  {"is_loopback", core_is_loopback},
  {"is_plain_record", core_is_plain_record},
  {"is_printable", core_is_printable},
  {"is_secret_string", core_is_secret_string},
  {"is_set", core_is_set},
  {"monotonic", core_monotonic},
  {"random", core_random},
  {"redact", core_redact},
  {"sleep", core_sleep},
  {NULL, NULL},
};

int luaopen_bytenite_secrets_core(lua_State *L) {
  luaL_checkversion(L);
  check_libcurl(L);
  pthread_once(&curl_once, start_curl);
  if (curl_ready != CURLE_OK) return luaL_error(L, "libcurl does not start");
  json_encode_open(L);
  json_decode_open(L);
  scratch_open(L);
  answer_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  call_open(L);
  client_open(L);
  secret_string_open(L);
  terminal_open(L);
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
