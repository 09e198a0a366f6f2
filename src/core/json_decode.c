#include "core/json_decode.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/json_encode.h"

#define MARK_LENGTH 32

/* What marking adds to a text: two quotes and the mark. */
#define MARK_COST (MARK_LENGTH + 2)

/* lua-cjson 2.1.0 keeps the length of a text in an int, and would write beyond
 * the buffer that it takes for a longer one. It needs one byte more. */
#define CJSON_MAX ((size_t)INT_MAX - 1)

#define DOUBLE_DIGITS_MAX 320

static const char decode_key = 'd';
static const char version_key = 'v';

/* What marked strings begin with. It is random, never leaves the process, and
 * so cannot be sent by a server. */
static char mark_text[MARK_LENGTH + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* For numbers, whatever locale the host has set. */
static locale_t c_locale;

/* --- marking --- */

static void start(void) {
  static const char hex[] = "0123456789abcdef";
  unsigned char bytes[MARK_LENGTH / 2];
  size_t i;
  c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c_locale == (locale_t)0) return;
  if (getentropy(bytes, sizeof bytes) != 0) return;
  for (i = 0; i < sizeof bytes; i++) {
    mark_text[2 * i] = hex[bytes[i] >> 4];
    mark_text[2 * i + 1] = hex[bytes[i] & 15];
  }
}

typedef struct marking {
  const char *done; /* up to here the text has been copied */
  buffer out;
} marking;

static bool mark_place(void *context, const char *from, const char *to) {
  marking *m = context;
  buffer_append(&m->out, m->done, (size_t)(from - m->done));
  buffer_text(&m->out, "\"");
  buffer_text(&m->out, mark_text);
  buffer_append(&m->out, from, (size_t)(to - from));
  buffer_text(&m->out, "\"");
  m->done = to;
  return m->out.state == BUFFER_OK;
}

/* Replaces the text by one with marked strings. No call in here can raise. */
static void mark_all(buffer *text, size_t marks) {
  marking m;
  json_report ignored;
  m.done = text->data;
  buffer_init(&m.out, text->length + marks * MARK_COST);
  (void)json_scan(text->data, text->length, &ignored, mark_place, &m);
  buffer_append(
    &m.out, m.done, (size_t)(text->data + text->length - m.done)
  );
  buffer_free(text);
  *text = m.out;
}

/* True if lua-cjson can take the text with all its marks. */
static bool is_countable(const buffer *text, size_t marks) {
  return text->length <= CJSON_MAX
    && marks <= (CJSON_MAX - text->length) / MARK_COST;
}

/* --- decoding --- */

json_verdict json_decode(lua_State *L, buffer *text, json_report *report) {
  json_verdict verdict = json_scan(
    text->data, text->length, report, NULL, NULL
  );
  int status;
  if (verdict != JSON_VALID) return verdict;
  if (!is_countable(text, report->marks)) return JSON_TOO_LARGE;
  if (report->marks > 0) mark_all(text, report->marks);
  if (text->state != BUFFER_OK) return JSON_INVALID;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &decode_key);
  lua_pushlstring(L, text->data, text->length);
  buffer_free(text);
  status = lua_pcall(L, 1, 1, 0);
  if (status == LUA_OK) return JSON_VALID;
  if (status != LUA_ERRRUN) lua_error(L);
  lua_pop(L, 1);
  return JSON_INVALID;
}

/* --- restoring --- */

/* Pushes the double of a JSON text; false when it is not exactly the integer
 * that the text has. */
static bool push_double(lua_State *L, const char *text) {
  char exact[DOUBLE_DIGITS_MAX];
  locale_t host = uselocale(c_locale);
  double value = strtod(text, NULL);
  snprintf(exact, sizeof exact, "%.0f", value);
  (void)uselocale(host);
  lua_pushnumber(L, (lua_Number)value);
  return strcmp(exact, text) == 0;
}

/* Pushes the integer of a JSON text; false when it is not exact. */
static bool push_integer(lua_State *L, const char *digits) {
#if LUA_VERSION_NUM >= 503
  long long value;
  errno = 0;
  value = strtoll(digits, NULL, 10);
  if (errno == 0 && value >= LUA_MININTEGER && value <= LUA_MAXINTEGER) {
    lua_pushinteger(L, (lua_Integer)value);
    return true;
  }
#endif
  return push_double(L, digits);
}

/* Pushes what a marked string stands for, or nothing. */
static bool push_unmarked(lua_State *L, int index, bool *exact) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  if (length <= MARK_LENGTH || memcmp(text, mark_text, MARK_LENGTH) != 0) {
    return false;
  }
  text += MARK_LENGTH;
  if (*text == '[') {
    lua_newtable(L);
    json_push_array_mt(L);
    lua_setmetatable(L, -2);
  } else if (strpbrk(text, ".eE") != NULL) {
    (void)push_double(L, text);
  } else if (!push_integer(L, text)) {
    *exact = false;
  }
  return true;
}

/* Values of fields that are there may be replaced during lua_next. */
static void restore_entries(lua_State *L, int index, bool *exact) {
  luaL_checkstack(L, 6, "JSON");
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -1) == LUA_TTABLE) {
      restore_entries(L, -1, exact);
    } else if (
      lua_type(L, -1) == LUA_TSTRING && push_unmarked(L, -1, exact)
    ) {
      lua_pushvalue(L, -3);
      lua_insert(L, -2);
      lua_rawset(L, index);
    }
    lua_pop(L, 1);
  }
}

bool json_restore(lua_State *L) {
  bool exact = true;
  if (lua_type(L, -1) == LUA_TTABLE) {
    restore_entries(L, -1, &exact);
  } else if (lua_type(L, -1) == LUA_TSTRING && push_unmarked(L, -1, &exact)) {
    lua_remove(L, -2);
  }
  return exact;
}

/* --- the cjson instance --- */

static void configure(lua_State *L, const char *option, int value) {
  lua_getfield(L, -1, option);
  if (value < 0) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushinteger(L, value);
  }
  lua_call(L, 1, 0);
}

void json_decode_open(lua_State *L) {
  pthread_once(&once, start);
  if (mark_text[0] == '\0') {
    luaL_error(L, "the system gives no random bytes, or no C locale");
  }
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cjson");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "_VERSION");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &version_key);
  lua_getfield(L, -1, "new");
  lua_call(L, 0, 1);
  configure(L, "decode_max_depth", JSON_MAX_DEPTH);
  configure(L, "decode_invalid_numbers", -1);
  lua_getfield(L, -1, "decode");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &decode_key);
  lua_pop(L, 2);
}

void json_push_null(lua_State *L) {
  lua_pushlightuserdata(L, NULL);
}

bool json_is_absent(lua_State *L, int index) {
  return lua_isnil(L, index) || lua_islightuserdata(L, index);
}

void json_push_version(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &version_key);
}
