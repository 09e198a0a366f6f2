/* One source for Lua 5.1, LuaJIT, 5.2 and newer: the parts of the 5.4 API
 * that this module uses, expressed in what an older Lua offers. Under 5.1 only
 * functions of plain 5.1 are called, so that one build serves LuaJIT too. */
#ifndef BYTENITE_COMPAT_H
#define BYTENITE_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#if LUA_VERSION_NUM < 501
#error "bytenite.secrets is made for Lua 5.1 and newer, and LuaJIT"
#endif

/* Marks the one symbol of a shared object that the host looks up; all else is
 * compiled with -fvisibility=hidden. */
#define COMPAT_EXPORT __attribute__((visibility("default")))

/* What native.lua looks for in a shared object that does not load. */
#define COMPAT_BUILT_FOR                                       \
  static const char built_for[] __attribute__((used)) =        \
    "bytenite.secrets built for " LUA_VERSION

#if LUA_VERSION_NUM < 504
#define lua_newuserdatauv(L, size, values) lua_newuserdata(L, size)
#endif

#if LUA_VERSION_NUM < 503
/* Numbers have no integer subtype before 5.3. */
static inline int compat_isinteger(lua_State *L, int index) {
  (void)L;
  (void)index;
  return 0;
}
#define lua_isinteger compat_isinteger
#endif

#if LUA_VERSION_NUM == 501

#undef LUA_OK
#define LUA_OK 0

/* Modules built for 5.1 need functions that no newer Lua has. */
#define luaL_checkversion(L) ((void)(L))

#define lua_rawlen lua_objlen

static inline int compat_absindex(lua_State *L, int index) {
  if (index > 0 || index <= LUA_REGISTRYINDEX) return index;
  return lua_gettop(L) + index + 1;
}
#undef lua_absindex
#define lua_absindex compat_absindex

static inline void compat_rawgetp(lua_State *L, int index, const void *key) {
  index = compat_absindex(L, index);
  lua_pushlightuserdata(L, (void *)(size_t)key);
  lua_rawget(L, index);
}
#define lua_rawgetp compat_rawgetp

static inline void compat_rawsetp(lua_State *L, int index, const void *key) {
  index = compat_absindex(L, index);
  lua_pushlightuserdata(L, (void *)(size_t)key);
  lua_insert(L, -2);
  lua_rawset(L, index);
}
#define lua_rawsetp compat_rawsetp

/* Without upvalues, which nothing here uses. */
static inline void compat_setfuncs(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}
#undef luaL_setfuncs
#define luaL_setfuncs(L, functions, upvalues) compat_setfuncs(L, functions)

static inline void *compat_testudata(
  lua_State *L, int index, const char *name
) {
  void *data = lua_touserdata(L, index);
  int same;
  if (data == NULL || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, name);
  same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? data : NULL;
}
#undef luaL_testudata
#define luaL_testudata compat_testudata

static inline void compat_setmetatable(lua_State *L, const char *name) {
  luaL_getmetatable(L, name);
  lua_setmetatable(L, -2);
}
#undef luaL_setmetatable
#define luaL_setmetatable compat_setmetatable

#endif

#endif
