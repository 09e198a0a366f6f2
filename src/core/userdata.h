/* How every userdata type of this module is made. */
#ifndef BYTENITE_USERDATA_H
#define BYTENITE_USERDATA_H

#include "compat.h"

/* Registers a type: methods in a separate __index table, __name set, and the
 * metatable hidden from scripts. */
void userdata_type(
  lua_State *L, const char *name, const luaL_Reg *methods,
  const luaL_Reg *metamethods
);

#endif
