/* How every userdata type of this module is made.
 *
 * What a userdata stands for lies outside of Lua's memory, for it may have to
 * outlive it: Lua 5.2 to 5.4 need memory to call a finalizer when the coroutine
 * that happens to run has no room for the call; where there is none they give
 * the call up for good, and free the userdata all the same. Sockets that
 * libcurl drives and secrets must not be lost with it, so each Lua state has a
 * list of them, and what is left is released when the state is closed. */
#ifndef BYTENITE_USERDATA_H
#define BYTENITE_USERDATA_H

#include <stdbool.h>
#include <stddef.h>

#include "compat.h"

typedef struct userdata_type {
  const char *name;
  size_t size;                 /* of what a userdata stands for */
  void (*release)(void *data); /* also of what is still zeroed */
} userdata_type;

/* Registers a type: methods in a separate __index table, __name and __gc set,
 * and the metatable hidden from scripts. */
void userdata_register(
  lua_State *L, const userdata_type *type, const luaL_Reg *methods,
  const luaL_Reg *metamethods
);

/* Pushes a userdata; what it stands for, zeroed, or NULL when memory is short,
 * and then it stands for nothing. Raises in finalizers that a state calls after
 * it has released the rest. The collector does not see how large it is, so that
 * what is large is freed as soon as it has served. */
void *userdata_push(lua_State *L, const userdata_type *type);

/* Whether the value at `index` is a userdata of this type. */
bool userdata_is(lua_State *L, int index, const userdata_type *type);

/* What the userdata of this type at `arg` stands for, or a Lua error. NULL when
 * that was freed, which a finalizer may find. */
void *userdata_check(lua_State *L, int arg, const userdata_type *type);

/* The same of a value that is known to be a userdata of this module. */
void *userdata_data(lua_State *L, int index);

/* Pushes a userdata that stands for what the one at `index` of this type stood
 * for, which stands for nothing from now on. */
void userdata_hand_over(lua_State *L, int index, const userdata_type *type);

/* Releases and frees what a userdata of this module stands for. Idempotent. */
void userdata_free(lua_State *L, int index);

#endif
