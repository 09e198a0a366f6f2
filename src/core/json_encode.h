/* Lua values to JSON, straight into a buffer that is wiped: lua-cjson keeps
 * its own, rounds numbers to 14 digits and cannot write an empty array. */
#ifndef BYTENITE_JSON_ENCODE_H
#define BYTENITE_JSON_ENCODE_H

#include <stdbool.h>

#include "bytes/buffer.h"
#include "compat.h"

/* Nested tables in one field of a record. With the record, the list and the
 * object around them an answer stays within JSON_MAX_DEPTH. */
#define JSON_FIELD_DEPTH 30

/* Pushes the metatable that marks a table as an array, empty or not. */
void json_push_array_mt(lua_State *L);

/* Whether a table is an array: it has a first entry, or is marked as one. */
bool json_is_array(lua_State *L, int index);

/* Sets the array metatable; once, when the module is opened. */
void json_encode_open(lua_State *L);

/* Appends the value at `index`. NULL when done; else what JSON cannot carry,
 * as words that follow the path, and the path is pushed ("params.list[3]",
 * starting with `name`). Metamethods are not called. A buffer that failed is
 * the caller's to see. Raises only when Lua's memory is short. */
const char *json_encode(
  lua_State *L, int index, buffer *out, const char *name, int depth
);

#endif
