#include "scratch.h"

#include <stdint.h>

#include "userdata.h"

#define TYPE_NAME "bytenite.Scratch"

buffer *scratch_push(lua_State *L) {
  buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
  buffer_init(b, SIZE_MAX / 2);
  luaL_setmetatable(L, TYPE_NAME);
  return b;
}

static int scratch__gc(lua_State *L) {
  buffer_free(lua_touserdata(L, 1));
  return 0;
}

static const luaL_Reg methods[] = {
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__gc", scratch__gc},
  {NULL, NULL},
};

void scratch_open(lua_State *L) {
  userdata_type(L, TYPE_NAME, methods, metamethods);
}
