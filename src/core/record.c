#include "record.h"

#include <string.h>

#include "json_encode.h"
#include "json_write.h"
#include "secret.h"
#include "url.h"
#include "utf8.h"

static const char *const known_fields[] = {
  "id", "secretType", "expiresAt", "accessKey", "params", "name", NULL,
};

/* The first ones, without which there is no record; and the one that is no
 * text. */
#define REQUIRED_FIELDS 2
#define PARAMS_FIELD 4

static bool is_known(const char *name) {
  size_t i;
  for (i = 0; known_fields[i] != NULL; i++) {
    if (strcmp(known_fields[i], name) == 0) return true;
  }
  return false;
}

/* How many of the known fields are there; -1 when one is of a wrong type, or of
 * those that must be there is not. */
static int count_known(lua_State *L, int index) {
  int count = 0;
  size_t i;
  for (i = 0; known_fields[i] != NULL; i++) {
    int wanted = i == PARAMS_FIELD ? LUA_TTABLE : LUA_TSTRING;
    int type;
    lua_pushstring(L, known_fields[i]);
    lua_rawget(L, index);
    type = lua_type(L, -1);
    lua_pop(L, 1);
    if (type == LUA_TNIL && i >= REQUIRED_FIELDS) continue;
    if (type != wanted) return -1;
    count++;
  }
  return count;
}

bool record_is_plain(lua_State *L, int index) {
  int left = lua_istable(L, index) ? count_known(L, index) : -1;
  if (left < 0) return false;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (--left < 0) {
      lua_pop(L, 1);
      return false;
    }
  }
  return true;
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

/* Writes the field whose value is on top, and pops it. */
static const char *write_field(
  lua_State *L, buffer *out, const char *separator, const char *name,
  const char **field
) {
  const char *problem;
  buffer_text(out, separator);
  json_write_string(out, name, strlen(name));
  buffer_text(out, ":");
  problem = json_encode(L, -1, out, name, JSON_FIELD_DEPTH);
  if (problem != NULL) {
    *field = lua_tostring(L, -1);
    return problem;
  }
  lua_pop(L, 1);
  return NULL;
}

static const char *write_known(
  lua_State *L, int index, buffer *out, const char **field
) {
  const char *separator = "";
  size_t i;
  for (i = 0; known_fields[i] != NULL; i++) {
    const char *problem;
    lua_pushstring(L, known_fields[i]);
    lua_rawget(L, index);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    problem = write_field(L, out, separator, known_fields[i], field);
    if (problem != NULL) return problem;
    separator = ",";
  }
  return NULL;
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
    if (is_known(name)) {
      lua_pop(L, 1);
      continue;
    }
    problem = write_field(L, out, ",", name, field);
    if (problem != NULL) return problem;
  }
  return NULL;
}

const char *record_encode(
  lua_State *L, int index, buffer *out, const char **field
) {
  const char *problem = check_address(L, index, "secretType", field);
  if (problem == NULL) problem = check_address(L, index, "id", field);
  if (problem != NULL) return problem;
  buffer_text(out, "{");
  problem = write_known(L, index, out, field);
  if (problem == NULL) problem = write_others(L, index, out, field);
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
