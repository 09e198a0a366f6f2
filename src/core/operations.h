/* The operations on secrets, as methods of the core's Client; client.h says
 * what they take and return. Each is one exchange. */
#ifndef BYTENITE_OPERATIONS_H
#define BYTENITE_OPERATIONS_H

#include "compat.h"

/* Adds list, put and delete to the Client's methods. */
void operations_open(lua_State *L);

#endif
