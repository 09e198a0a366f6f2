/* How the core's Client comes by an access token: methods, of which client.h
 * says what they take and return. */
#ifndef BYTENITE_TOKEN_H
#define BYTENITE_TOKEN_H

#include <stddef.h>

#include "compat.h"

/* Takes a token that is given. No exchange. */
int client_authorize(lua_State *L);

/* Exchanges an API key for a token. */
int client_authenticate(lua_State *L);

/* A string or SecretString argument, without the newline at its end if the
 * argument `trim` says so: editors and shells put one into files. */
const char *check_token(lua_State *L, int arg, int trim, size_t *length);

#endif
