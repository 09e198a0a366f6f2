/* The operations of the core's Client, as its methods; client.h says what they
 * take and return. Each of them but authorize is one exchange. */
#ifndef BYTENITE_OPERATIONS_H
#define BYTENITE_OPERATIONS_H

#include <stddef.h>

#include "compat.h"

int operation_authenticate(lua_State *L);
int operation_authorize(lua_State *L);
int operation_delete(lua_State *L);
int operation_list(lua_State *L);
int operation_put(lua_State *L);

/* Takes the answer of one that was only started. */
int operation_collect(lua_State *L);

/* A string or SecretString argument, without the newline at its end if the
 * argument `trim` says so: editors and shells put one into files. */
const char *check_token(lua_State *L, int arg, int trim, size_t *length);

#endif
