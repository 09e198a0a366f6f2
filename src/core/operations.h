/* The operations on secrets, as methods of the core's Client; client.h says
 * what they take and return. Each is one exchange. */
#ifndef BYTENITE_OPERATIONS_H
#define BYTENITE_OPERATIONS_H

#include "compat.h"

int client_list(lua_State *L);
int client_put(lua_State *L);
int client_delete(lua_State *L);

#endif
