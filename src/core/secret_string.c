#include "core/secret_string.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "bytes/memory.h"
#include "bytes/prompt.h"
#include "bytes/secret.h"
#include "bytes/secret_source.h"
#include "core/call.h"
#include "core/userdata.h"

#define MASK "SecretString(****)"

static void release(void *data) {
  secret *const *s = data;
  secret_release(*s);
}

static const userdata_type secret_string_type = {
  "bytenite.SecretString", sizeof(secret *), release
};

/* Pushes an empty SecretString. Where it keeps its secret, so that what is put
 * there is owned from the start; NULL when memory is short. */
static secret **push_empty(lua_State *L) {
  return userdata_push(L, &secret_string_type);
}

/* Its secret, or NULL when it was wiped. */
static secret *check_secret(lua_State *L, int arg) {
  secret **s = userdata_check(L, arg, &secret_string_type);
  return s == NULL ? NULL : *s;
}

static bool is_secret_string(lua_State *L, int index) {
  return userdata_is(L, index, &secret_string_type);
}

/* The bytes, in pages that are locked also when this process was forked since
 * they were read. */
static const char *bytes_of(secret *s, size_t *length) {
  *length = 0;
  if (s == NULL) return NULL;
  secret_lock(s);
  *length = s->length;
  return s->bytes;
}

const char *check_credential(lua_State *L, int arg, size_t *length) {
  if (is_secret_string(L, arg)) return bytes_of(check_secret(L, arg), length);
  if (lua_type(L, arg) != LUA_TSTRING) {
    luaL_argerror(L, arg, "string or SecretString expected");
  }
  return lua_tolstring(L, arg, length);
}

static int secret_string_equals(lua_State *L) {
  size_t length;
  size_t other_length;
  const char *bytes = check_credential(L, 1, &length);
  const char *other = check_credential(L, 2, &other_length);
  lua_pushboolean(L, bytes != NULL && other != NULL
    && memory_equal(bytes, length, other, other_length));
  return 1;
}

/* Unlike `equals`, `==` may meet userdata of any type. */
static int secret_string__eq(lua_State *L) {
  if (!is_secret_string(L, 1) || !is_secret_string(L, 2)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  return secret_string_equals(L);
}

/* Before 5.3 Lua may collect garbage before it copies the bytes, and then a
 * finalizer may wipe the SecretString. */
static int secret_string_expose(lua_State *L) {
  size_t length;
  const char *bytes;
  secret **held;
  secret *s;
  (void)check_secret(L, 1);
  held = push_empty(L);
  s = check_secret(L, 1);
  bytes = bytes_of(s, &length);
  if (bytes == NULL) luaL_error(L, "expose: this SecretString was wiped");
  if (held == NULL) luaL_error(L, "not enough memory");
  *held = secret_retain(s);
  lua_pushlstring(L, bytes, length);
  userdata_free(L, -2);
  return 1;
}

static int secret_string_wipe(lua_State *L) {
  (void)check_secret(L, 1);
  userdata_free(L, 1);
  return 0;
}

static int secret_string__len(lua_State *L) {
  const secret *s = check_secret(L, 1);
  lua_pushinteger(L, s == NULL ? 0 : (lua_Integer)s->length);
  return 1;
}

static int secret_string__tostring(lua_State *L) {
  lua_pushliteral(L, MASK);
  return 1;
}

static int secret_string__concat(lua_State *L) {
  return luaL_error(L, "a SecretString cannot be concatenated; "
    "s:expose() gives the string");
}

/* --- where a SecretString comes from --- */

static int push_result(lua_State *L, const char *problem) {
  if (problem == NULL) return 1;
  lua_pushnil(L);
  lua_pushstring(L, problem);
  return 2;
}

static int secret_from_string(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  secret **s = push_empty(L);
  return push_result(L,
    s == NULL ? SECRET_NO_MEMORY : secret_take_string(s, bytes, length));
}

/* The system would read a path or name up to a NUL, and find another one. */
static bool holds_nul(lua_State *L, int arg) {
  size_t length;
  return strlen(luaL_checklstring(L, arg, &length)) < length;
}

static int secret_from_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  bool shared = lua_toboolean(L, 2);
  char mode[8];
  const char *problem;
  secret **s = push_empty(L);
  if (s == NULL) return push_result(L, SECRET_NO_MEMORY);
  problem = holds_nul(L, 1)
    ? "does not exist" : secret_take_file(s, path, shared, mode);
  if (problem == NULL) return 1;
  lua_pushnil(L);
  lua_pushfstring(L, problem, mode);
  return 2;
}

static int secret_from_env(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool unset = lua_toboolean(L, 2);
  secret **s = push_empty(L);
  if (s == NULL) return push_result(L, SECRET_NO_MEMORY);
  return push_result(L, holds_nul(L, 1)
    ? "is not set" : secret_take_env(s, name, unset));
}

/* One newline at the end, which belongs to the line that the secret was. */
static const char *drop_newline(secret *s) {
  if (s->bytes[s->length - 1] != '\n') return NULL;
  s->bytes[--s->length] = '\0';
  if (s->length > 0 && s->bytes[s->length - 1] == '\r') {
    s->bytes[--s->length] = '\0';
  }
  return s->length == 0 ? "is empty" : NULL;
}

static bool hooks_have_changed(const void *before) {
  return call_hooks_changed(before);
}

static int secret_from_fd(lua_State *L) {
  lua_Integer fd = luaL_checkinteger(L, 1);
  bool trim = lua_toboolean(L, 2);
  call_hooks before = call_hooks_of(L);
  const char *problem;
  secret **s;
  luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, 1, "descriptor expected");
  s = push_empty(L);
  if (s == NULL) return push_result(L, SECRET_NO_MEMORY);
  problem = secret_take_fd(s, (int)fd, hooks_have_changed, &before);
  if (problem == NULL && trim) problem = drop_newline(*s);
  return push_result(L, problem);
}

static int secret_from_prompt(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  const char *kind;
  const char *problem;
  secret **s = push_empty(L);
  if (s == NULL) return push_result(L, SECRET_NO_MEMORY);
  problem = secret_take_prompt(s, text, length, &kind);
  if (problem == NULL) return 1;
  lua_pushnil(L);
  lua_pushstring(L, problem);
  lua_pushstring(L, kind);
  return 3;
}

static int core_is_secret_string(lua_State *L) {
  lua_pushboolean(L, is_secret_string(L, 1));
  return 1;
}

static const luaL_Reg methods[] = {
  {"equals", secret_string_equals},
  {"expose", secret_string_expose},
  {"wipe", secret_string_wipe},
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__close", secret_string_wipe},
  {"__concat", secret_string__concat},
  {"__eq", secret_string__eq},
  {"__len", secret_string__len},
  {"__tostring", secret_string__tostring},
  {NULL, NULL},
};

static const luaL_Reg functions[] = {
  {"is_secret_string", core_is_secret_string},
  {"secret_from_env", secret_from_env},
  {"secret_from_fd", secret_from_fd},
  {"secret_from_file", secret_from_file},
  {"secret_from_prompt", secret_from_prompt},
  {"secret_from_string", secret_from_string},
  {NULL, NULL},
};

void secret_string_open(lua_State *L) {
  userdata_register(L, &secret_string_type, methods, metamethods);
  luaL_setfuncs(L, functions, 0);
}
