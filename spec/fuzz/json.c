/* Any bytes as JSON: what json_scan lets through, lua-cjson takes too and
 * reads in the same way; and what was decoded comes back unchanged from our
 * writer. */
#include "fuzz.h"

#include <math.h>

#include "core/json_decode.h"
#include "core/json_encode.h"
#include "json/scan.h"

/* --- comparing two values of Lua --- */

/* Floats and integers may stand for each other, but not 0.0 for -0.0. */
static bool same_number(lua_State *L, int a, int b) {
  lua_Number left = lua_tonumber(L, a);
  lua_Number right = lua_tonumber(L, b);
  if (lua_isinteger(L, a) && lua_isinteger(L, b)) return lua_rawequal(L, a, b);
  return left == right && !signbit(left) == !signbit(right);
}

static size_t count(lua_State *L, int index) {
  size_t entries = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    entries++;
    lua_pop(L, 1);
  }
  return entries;
}

static bool same(lua_State *L, int a, int b, bool marks);

static bool same_entries(lua_State *L, int a, int b, bool marks) {
  if (count(L, a) != count(L, b)) return false;
  lua_pushnil(L);
  while (lua_next(L, a)) {
    int value = lua_gettop(L);
    bool equal;
    lua_pushvalue(L, -2);
    lua_rawget(L, b);
    equal = same(L, value, value + 1, marks);
    lua_settop(L, equal ? value - 1 : value - 2);
    if (!equal) return false;
  }
  return true;
}

static bool is_marked(lua_State *L, int index) {
  bool marked = lua_getmetatable(L, index);
  if (marked) lua_pop(L, 1);
  return marked;
}

/* Deep equality; with `marks` also of the mark of an empty array. */
static bool same(lua_State *L, int a, int b, bool marks) {
  check(lua_checkstack(L, 8));
  if (lua_type(L, a) != lua_type(L, b)) return false;
  if (lua_type(L, a) == LUA_TNUMBER) return same_number(L, a, b);
  if (lua_type(L, a) != LUA_TTABLE) return lua_rawequal(L, a, b);
  if (marks && is_marked(L, a) != is_marked(L, b)) return false;
  return same_entries(L, a, b, marks);
}

/* --- what must hold --- */

typedef struct outline {
  size_t arrays;
  size_t objects;
  size_t members;
  size_t deepest;
} outline;

/* Counts what a valid text, or the start of one, is made of. */
static outline outline_of(const char *text, size_t length) {
  outline o = {0, 0, 0, 0};
  size_t depth = 0;
  bool quoted = false;
  size_t i;
  for (i = 0; i < length; i++) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') i++;
    if (quoted) continue;
    if (text[i] == '[') o.arrays++;
    if (text[i] == '{') o.objects++;
    if (text[i] == ':') o.members++;
    if (text[i] == '[' || text[i] == '{') depth++;
    if (text[i] == ']' || text[i] == '}') depth--;
    if (depth > o.deepest) o.deepest = depth;
  }
  return o;
}

static json_verdict scan(const char *text, size_t length) {
  json_report report;
  return json_scan(text, length, &report, NULL, NULL);
}

/* An answer that breaks off is told from one that is wrong. */
static void check_prefixes(const char *text, size_t length) {
  size_t step = length / 64 + 1;
  size_t cut;
  while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) length--;
  if (text[length - 1] != '}' && text[length - 1] != ']') return;
  for (cut = 0; cut < length; cut += step) {
    check(scan(text, cut) == JSON_INCOMPLETE);
  }
}

/* Pushes the value as the core reads it. */
static void decode(lua_State *L, const char *text, size_t length) {
  json_report report;
  buffer copy;
  buffer_init(&copy, length);
  check(buffer_append(&copy, text, length));
  check(json_decode(L, &copy, &report) == JSON_VALID);
  check(copy.data == NULL);
  json_restore(L);
}

/* Of members with the same name only the last one stays; else an array stays
 * an array, also when it is empty. */
static void check_outlines(
  const char *text, size_t length, const buffer *written
) {
  outline before = outline_of(text, length);
  outline after = outline_of(written->data, written->length);
  check(before.members >= after.members);
  if (before.members > after.members) return;
  check(before.arrays == after.arrays && before.objects == after.objects);
}

static void check_round_trip(
  lua_State *L, int value, const char *text, size_t length
) {
  buffer out;
  buffer_init(&out, SIZE_MAX / 2);
  check(json_encode(L, value, &out, "value", JSON_MAX_DEPTH) == NULL);
  check(out.state == BUFFER_OK && lua_gettop(L) == value);
  check_outlines(text, length, &out);
  decode(L, out.data, out.length);
  check(same(L, value, value + 1, true));
  buffer_free(&out);
}

/* What json_find finds is what the object at `value` has under that name. */
static void check_members(
  lua_State *L, int value, const char *text, size_t length
) {
  json_member members[] = {{"ok", NULL, 0}, {"a", NULL, 0}};
  size_t i;
  check(json_find(text, length, members, 2) == JSON_VALID);
  for (i = 0; i < 2; i++) {
    const json_member *m = &members[i];
    bool found = m->value != NULL;
    check(!found || scan(m->value, m->length) == JSON_VALID);
    if (!lua_istable(L, value)) {
      check(!found);
      continue;
    }
    lua_pushstring(L, m->name);
    lua_rawget(L, value);
    check(lua_isnil(L, -1) == !found);
    if (found) {
      decode(L, m->value, m->length);
      check(same(L, value + 1, value + 2, true));
    }
    lua_settop(L, value);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = fuzz_lua();
  char *text = fuzz_copy(data, size);
  json_report report;
  json_verdict verdict = json_scan(text, size, &report, NULL, NULL);
  check(report.at <= size);
  check(json_find(text, size, NULL, 0) == verdict);
  if (fuzz_knows_mark(text, size)) verdict = JSON_INVALID;
  if (verdict == JSON_VALID) {
    check(outline_of(text, size).deepest <= JSON_MAX_DEPTH);
    check_prefixes(text, size);
    decode(L, text, size);
    check_members(L, 1, text, size);
    check(fuzz_cjson(L, text, size));
    check(same(L, 1, 2, false));
    lua_settop(L, 1);
    check_round_trip(L, 1, text, size);
  } else if (verdict == JSON_TOO_DEEP) {
    check(outline_of(text, report.at + 1).deepest > JSON_MAX_DEPTH);
  }
  free(text);
  fuzz_lua_end(L);
  return 0;
}
