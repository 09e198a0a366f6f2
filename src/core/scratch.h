/* A buffer that a userdata owns: for bytes that must not be lost when Lua
 * raises an error. */
#ifndef BYTENITE_SCRATCH_H
#define BYTENITE_SCRATCH_H

#include "bytes/buffer.h"
#include "compat.h"

/* Registers the type. */
void scratch_open(lua_State *L);

/* Pushes an empty one. NULL when memory is short. */
buffer *scratch_push(lua_State *L);

#endif
