/* How the core's Client comes by an access token: methods, of which client.h
 * says what they take and return. */
#ifndef BYTENITE_TOKEN_H
#define BYTENITE_TOKEN_H

#include <stddef.h>

#include "compat.h"

/* Adds to the Client's methods authorize, which takes a token that is given,
 * and authenticate, which exchanges an API key for one. */
void token_open(lua_State *L);

/* A string or SecretString argument, without the newline at its end if the
 * argument `trim` says so: editors and shells put one into files. */
const char *check_token(lua_State *L, int arg, int trim, size_t *length);

#endif
