/* A secret record on its way to JSON. */
#ifndef BYTENITE_RECORD_H
#define BYTENITE_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"
#include "compat.h"

/* Appends the record at `index` as a JSON object: the six known fields in the
 * contract's order, then the others. NULL when done; else what keeps it from
 * being sent, and `*field` the path to it, which is left on the stack. Fields
 * that the record does not have are not written. Raises when id or secretType
 * is no string, or a field's name is none. */
const char *record_encode(
  lua_State *L, int index, buffer *out, const char **field
);

/* Whether the value at `index` is a table with id and secretType in which every
 * field is one of the six, of its type. Most records are, and need no look at
 * what else there may be. */
bool record_is_plain(lua_State *L, int index);

/* What keeps bytes from being a secretKey: NULL, or words that follow it. The
 * bytes are NULL when a SecretString was wiped. */
const char *secret_key_problem(const char *key, size_t length);

#endif
