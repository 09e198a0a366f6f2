#include "core/json_encode.h"

#include <math.h>
#include <stdbool.h>

#include "bytes/utf8.h"
#include "json/write.h"

#define DEPTH_MAX 64

/* One step of the path to the value that is being written. */
typedef struct step {
  const char *key; /* NULL for an array's index */
  size_t index;
  const void *table;
} step;

typedef struct encoder {
  lua_State *L;
  buffer *out;
  const char *name;
  int depth;
  int depth_max;
  step path[DEPTH_MAX];
} encoder;

static const char array_mt_key = 'a';

static const char *encode_value(encoder *e, int index);

void json_push_array_mt(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_mt_key);
}

void json_encode_open(lua_State *L) {
  bool is_there;
  json_push_array_mt(L);
  is_there = lua_istable(L, -1);
  lua_pop(L, 1);
  if (is_there) return; /* the module is loaded once more */
  lua_newtable(L);
  lua_pushliteral(L, "bytenite.secrets.array");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &array_mt_key);
}

static const char *encode_string(encoder *e, int index) {
  size_t length;
  const char *text = lua_tolstring(e->L, index, &length);
  if (utf8_prefix(text, length) < length) return "is not UTF-8";
  json_write_string(e->out, text, length);
  return NULL;
}

static const char *encode_number(encoder *e, int index) {
  lua_Number number = lua_tonumber(e->L, index);
  if (lua_isinteger(e->L, index)) {
    json_write_integer(e->out, (long long)lua_tointeger(e->L, index));
    return NULL;
  }
  if (isnan(number)) return "is NaN, which JSON does not have";
  if (isinf(number)) return "is infinite, which JSON does not have";
  json_write_double(e->out, (double)number);
  return NULL;
}

bool json_is_array(lua_State *L, int index) {
  bool marked;
  if (lua_rawlen(L, index) > 0) return true;
  if (!lua_getmetatable(L, index)) return false;
  json_push_array_mt(L);
  marked = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return marked;
}

static const char *encode_array(encoder *e, int index, step *place) {
  size_t length = (size_t)lua_rawlen(e->L, index);
  size_t i;
  const char *problem;
  buffer_text(e->out, "[");
  for (i = 1; i <= length; i++) {
    if (i > 1) buffer_text(e->out, ",");
    place->key = NULL;
    place->index = i;
    lua_rawgeti(e->L, index, (int)i);
    problem = lua_isnil(e->L, -1)
      ? "is missing: an array has no holes" : encode_value(e, -1);
    if (problem != NULL) return problem;
    lua_pop(e->L, 1);
  }
  buffer_text(e->out, "]");
  return NULL;
}

/* The entries of an array are numbered 1 to n and there are no others. */
static bool is_sequence(lua_State *L, int index) {
  size_t length = (size_t)lua_rawlen(L, index);
  size_t entries = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TNUMBER || ++entries > length) {
      lua_pop(L, 1);
      return false;
    }
  }
  return entries == length;
}

static const char *encode_object(encoder *e, int index, step *place) {
  const char *separator = "";
  const char *problem;
  buffer_text(e->out, "{");
  lua_pushnil(e->L);
  while (lua_next(e->L, index)) {
    if (lua_type(e->L, -2) != LUA_TSTRING) {
      return "has keys that are neither strings nor 1 to n";
    }
    buffer_text(e->out, separator);
    separator = ",";
    problem = encode_string(e, -2);
    if (problem != NULL) return "has a key that is not UTF-8";
    buffer_text(e->out, ":");
    place->key = lua_tostring(e->L, -2);
    problem = encode_value(e, -1);
    if (problem != NULL) return problem;
    lua_pop(e->L, 1);
    place->key = NULL;
  }
  buffer_text(e->out, "}");
  return NULL;
}

static const char *encode_table(encoder *e, int index) {
  const void *table = lua_topointer(e->L, index);
  step *place = &e->path[e->depth];
  const char *problem;
  int i;
  for (i = 0; i < e->depth; i++) {
    if (e->path[i].table == table) return "contains itself";
  }
  if (e->depth == e->depth_max) {
    return e->depth_max == JSON_FIELD_DEPTH
      ? "is nested too deeply (30 levels at most)" : "is nested too deeply";
  }
  luaL_checkstack(e->L, 8, "JSON");
  place->key = NULL;
  place->index = 0;
  place->table = table;
  e->depth++;
  if (json_is_array(e->L, index)) {
    if (!is_sequence(e->L, index)) {
      e->depth--;
      return "is neither an array from 1 to n nor an object";
    }
    problem = encode_array(e, index, place);
  } else {
    problem = encode_object(e, index, place);
  }
  /* After a problem the depth stays, for the path to be told. */
  if (problem == NULL) e->depth--;
  return problem;
}

static const char *encode_value(encoder *e, int index) {
  index = lua_absindex(e->L, index);
  switch (lua_type(e->L, index)) {
    case LUA_TSTRING: return encode_string(e, index);
    case LUA_TNUMBER: return encode_number(e, index);
    case LUA_TTABLE: return encode_table(e, index);
    case LUA_TBOOLEAN:
      buffer_text(e->out, lua_toboolean(e->L, index) ? "true" : "false");
      return NULL;
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(e->L, index) != NULL) break;
      buffer_text(e->out, "null");
      return NULL;
    default: break;
  }
  return "is of a type that JSON does not have";
}

static void push_path(encoder *e) {
  lua_State *L = e->L;
  int i;
  lua_pushstring(L, e->name);
  for (i = 0; i < e->depth; i++) {
    const step *place = &e->path[i];
    if (place->key != NULL) {
      lua_pushfstring(L, ".%s", place->key);
    } else if (place->index > 0) {
      lua_pushfstring(L, "[%d]", (int)place->index);
    } else {
      continue;
    }
    lua_concat(L, 2);
  }
}

const char *json_encode(
  lua_State *L, int index, buffer *out, const char *name, int depth
) {
  encoder e;
  int top = lua_gettop(L);
  const char *problem;
  e.L = L;
  e.out = out;
  e.name = name;
  e.depth = 0;
  e.depth_max = depth;
  problem = encode_value(&e, index);
  if (problem == NULL) return NULL;
  push_path(&e);
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
  return problem;
}
