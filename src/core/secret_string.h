/* The SecretString userdata: a credential that is never a Lua string. */
#ifndef BYTENITE_SECRET_STRING_H
#define BYTENITE_SECRET_STRING_H

#include <stddef.h>

#include "compat.h"

/* The bytes of a string or SecretString argument; raises for other types. A
 * wiped SecretString has none: NULL. */
const char *check_credential(lua_State *L, int arg, size_t *length);

/* Registers the type and adds to the table on top:
 *
 *   secret_from_string(s), secret_from_file(path, shared),
 *   secret_from_env(name, unset), secret_from_fd(fd, trim)
 *                             -> SecretString | nil, problem
 *   secret_from_prompt(text)  -> SecretString | nil, problem, kind of Error
 *   is_secret_string(value)   -> boolean
 *
 * `trim` takes one newline off the end. */
void secret_string_open(lua_State *L);

#endif
