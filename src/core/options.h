/* The options that the core's Client is made with; client.h lists them. */
#ifndef BYTENITE_OPTIONS_H
#define BYTENITE_OPTIONS_H

#include <stddef.h>

#include "compat.h"
#include "http/settings.h"

#define SCHEME_MAX 32
#define SECONDS_MAX 1e6

typedef struct options {
  http_settings http;
  char scheme[SCHEME_MAX + 1]; /* put before the token, or empty */
  size_t list_max;             /* bytes */
} options;

/* Reads the table at index 1. NULL, or what is wrong with `*option`. The texts
 * of `http` stay on the stack, where no finalizer can free them. Raises
 * for wrong types and for numbers out of range. */
const char *options_read(lua_State *L, options *o, const char **option);

/* An argument that is a number of seconds over 0, in milliseconds. */
long check_ms(lua_State *L, int arg);

#endif
