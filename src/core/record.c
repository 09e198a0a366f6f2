#include "core/record.h"

#include <string.h>

#include "bytes/secret.h"
#include "bytes/utf8.h"
#include "core/json_encode.h"
#include "http/url.h"
#include "json/write.h"

typedef struct known_field {
  const char *name;
  size_t length;
  const char *opening; /* what stands before its value, after another field */
  int type;
} known_field;

#define FIELD(name, type) {name, sizeof name - 1, ",\"" name "\":", type}

static const known_field known_fields[] = {
  FIELD("id", LUA_TSTRING),
  FIELD("secretType", LUA_TSTRING),
  FIELD("expiresAt", LUA_TSTRING),
  FIELD("accessKey", LUA_TSTRING),
  FIELD("params", LUA_TTABLE),
  FIELD("name", LUA_TSTRING),
  {NULL, 0, NULL, 0},
};

/* The first ones, without which there is no record. */
#define REQUIRED_FIELDS 2

static const known_field *find_field(const char *name, size_t length) {
  const known_field *f;
  for (f = known_fields; f->name != NULL; f++) {
    if (f->length == length && memcmp(f->name, name, length) == 0) return f;
  }
  return NULL;
}

/* The known field that the key at `index` names, or NULL. */
static const known_field *field_at(lua_State *L, int index) {
  size_t length;
  const char *name;
  if (lua_type(L, index) != LUA_TSTRING) return NULL;
  name = lua_tolstring(L, index, &length);
  return find_field(name, length);
}

bool record_is_plain(lua_State *L, int index) {
  int required = 0;
  if (!lua_istable(L, index)) return false;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const known_field *f = field_at(L, -2);
    int type = lua_type(L, -1);
    lua_pop(L, 1);
    if (f == NULL || f->type != type) {
      lua_pop(L, 1);
      return false;
    }
    if (f < known_fields + REQUIRED_FIELDS) required++;
  }
  return required == REQUIRED_FIELDS;
}

/* The two fields that make up the record's address. */
static const char *check_address(
  lua_State *L, int index, const char *name, const char **field
) {
  size_t length;
  const char *text;
  const char *problem;
  lua_pushstring(L, name);
  lua_rawget(L, index);
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_error(L, "secret.%s: string expected", name);
  }
  text = lua_tolstring(L, -1, &length);
  problem = segment_problem(text, length);
  *field = name;
  lua_pop(L, 1);
  return problem;
}

/* Writes the value on top, of a field, and pops it. */
static const char *write_value(
  lua_State *L, buffer *out, const char *name, const char **field
) {
  const char *problem = json_encode(L, -1, out, name, JSON_FIELD_DEPTH);
  if (problem != NULL) {
    *field = lua_tostring(L, -1);
    return problem;
  }
  lua_pop(L, 1);
  return NULL;
}

/* Adds to `*count` how many there are. */
static const char *write_known(
  lua_State *L, int index, buffer *out, const char **field, int *count
) {
  const known_field *f;
  for (f = known_fields; f->name != NULL; f++) {
    const char *problem;
    lua_pushstring(L, f->name);
    lua_rawget(L, index);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    buffer_text(out, *count == 0 ? f->opening + 1 : f->opening);
    problem = write_value(L, out, f->name, field);
    if (problem != NULL) return problem;
    (*count)++;
  }
  return NULL;
}

static bool has_more(lua_State *L, int index, int count) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (--count < 0) {
      lua_pop(L, 1);
      return true;
    }
  }
  return false;
}

static const char *write_others(
  lua_State *L, int index, buffer *out, const char **field
) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    size_t length;
    const char *name;
    const char *problem;
    if (lua_type(L, -2) != LUA_TSTRING) {
      luaL_error(L, "secret: field names are strings");
    }
    name = lua_tolstring(L, -2, &length);
    *field = "secret";
    if (utf8_prefix(name, length) < length || strlen(name) < length) {
      return "has a field whose name is not UTF-8 or holds a NUL";
    }
    if (find_field(name, length) != NULL) {
      lua_pop(L, 1);
      continue;
    }
    buffer_text(out, ",");
    json_write_string(out, name, length);
    buffer_text(out, ":");
    problem = write_value(L, out, name, field);
    if (problem != NULL) return problem;
  }
  return NULL;
}

const char *record_encode(
  lua_State *L, int index, buffer *out, const char **field
) {
  int count = 0;
  const char *problem = check_address(L, index, "secretType", field);
  if (problem == NULL) problem = check_address(L, index, "id", field);
  if (problem != NULL) return problem;
  buffer_text(out, "{");
  problem = write_known(L, index, out, field, &count);
  if (problem == NULL && has_more(L, index, count)) {
    problem = write_others(L, index, out, field);
  }
  buffer_text(out, "}");
  return problem;
}

const char *secret_key_problem(const char *key, size_t length) {
  if (key == NULL) return "was wiped";
  if (length == 0) return "is empty";
  if (length > SECRET_MAX) return "is longer than 64 KiB";
  if (utf8_prefix(key, length) < length) return "is not UTF-8";
  return NULL;
}
