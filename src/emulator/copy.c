#include "emulator/copy.h"

#define DEEPEST 40

/* Its address is the registry key of a state's array mark. */
static const char MARK = 0;

void emulator_copy_mark(lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &MARK);
}

static int is_marked(lua_State *L, int index) {
  int same;
  if (!lua_getmetatable(L, index)) return 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &MARK);
  same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

static void copy_value(lua_State *from, int index, lua_State *to, int depth);

static void copy_table(lua_State *from, int index, lua_State *to, int depth) {
  if (depth == DEEPEST) luaL_error(to, "a table is nested too deeply");
  luaL_checkstack(to, LUA_MINSTACK, "too many nested tables");
  lua_newtable(to);
  if (is_marked(from, index)) {
    lua_rawgetp(to, LUA_REGISTRYINDEX, &MARK);
    lua_setmetatable(to, -2);
  }
  lua_pushnil(from);
  while (lua_next(from, index)) {
    copy_value(from, lua_gettop(from) - 1, to, depth + 1);
    copy_value(from, lua_gettop(from), to, depth + 1);
    lua_rawset(to, -3);
    lua_pop(from, 1);
  }
}

static void copy_number(lua_State *from, int index, lua_State *to) {
  if (lua_isinteger(from, index)) {
    lua_pushinteger(to, lua_tointeger(from, index));
  } else {
    lua_pushnumber(to, lua_tonumber(from, index));
  }
}

static void copy_string(lua_State *from, int index, lua_State *to) {
  size_t length;
  const char *text = lua_tolstring(from, index, &length);
  lua_pushlstring(to, text, length);
}

static void copy_value(lua_State *from, int index, lua_State *to, int depth) {
  int type = lua_type(from, index);
  switch (type) {
    case LUA_TNIL: lua_pushnil(to); break;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, index)); break;
    case LUA_TNUMBER: copy_number(from, index, to); break;
    case LUA_TSTRING: copy_string(from, index, to); break;
    case LUA_TLIGHTUSERDATA:
      lua_pushlightuserdata(to, lua_touserdata(from, index));
      break;
    case LUA_TTABLE: copy_table(from, index, to, depth); break;
    default: luaL_error(to, "cannot carry a %s", lua_typename(from, type));
  }
}

void emulator_copy(lua_State *from, int index, lua_State *to) {
  copy_value(from, index, to, 0);
}
