#include "core/userdata.h"

#include "bytes/memory.h"

/* What a userdata stands for, in the list of its state. */
typedef struct block {
  const userdata_type *type;
  struct block *next;
  struct block **link; /* what points to it */
  max_align_t data[];
} block;

/* All that a state has of this shared object. Lua finalizes it after all of
 * them, for it is older. */
typedef struct holdings {
  block *first;
  bool closed;
} holdings;

/* The userdata itself. The registry keeps the holdings. */
typedef struct box {
  const holdings *holdings;
  block *block; /* NULL once it is freed */
} box;

static const char holdings_key = 'h';

static size_t size_of(const userdata_type *type) {
  return sizeof(block) + type->size;
}

static void free_block(block *b) {
  b->type->release(b->data);
  *b->link = b->next;
  if (b->next != NULL) b->next->link = b->link;
  memory_free(b, size_of(b->type));
}

/* --- the holdings --- */

static int holdings__gc(lua_State *L) {
  holdings *h = lua_touserdata(L, 1);
  h->closed = true;
  while (h->first != NULL) free_block(h->first);
  return 0;
}

static holdings *get_holdings(lua_State *L) {
  holdings *h;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &holdings_key);
  h = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return h;
}

static void make_holdings(lua_State *L) {
  holdings *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->first = NULL;
  h->closed = false;
  lua_newtable(L);
  lua_pushcfunction(L, holdings__gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &holdings_key);
}

/* --- types --- */

static int userdata__gc(lua_State *L) {
  userdata_free(L, 1);
  return 0;
}

void userdata_register(
  lua_State *L, const userdata_type *type, const luaL_Reg *methods,
  const luaL_Reg *metamethods
) {
  if (get_holdings(L) == NULL) make_holdings(L);
  luaL_newmetatable(L, type->name);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushcfunction(L, userdata__gc);
  lua_setfield(L, -2, "__gc");
  lua_pushstring(L, type->name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

/* --- userdata --- */

static block *new_block(holdings *h, const userdata_type *type) {
  block *b = memory_alloc(size_of(type));
  if (b == NULL) return NULL;
  b->type = type;
  b->next = h->first;
  b->link = &h->first;
  if (b->next != NULL) b->next->link = &b->next;
  h->first = b;
  return b;
}

/* One that stands for nothing yet. */
static box *push_box(
  lua_State *L, const holdings *h, const userdata_type *type
) {
  box *u = lua_newuserdatauv(L, sizeof *u, 0);
  u->holdings = h;
  u->block = NULL;
  luaL_setmetatable(L, type->name);
  return u;
}

void *userdata_push(lua_State *L, const userdata_type *type) {
  holdings *h = get_holdings(L);
  box *u = push_box(L, h, type);
  if (h->closed) luaL_error(L, "the Lua state is being closed");
  u->block = new_block(h, type);
  return u->block == NULL ? NULL : u->block->data;
}

/* Of a userdata that is not finalized before the holdings, as one that is made
 * while the state is closed, the block is gone. */
static void *data_of(const box *u) {
  return u->block == NULL || u->holdings->closed ? NULL : u->block->data;
}

bool userdata_is(lua_State *L, int index, const userdata_type *type) {
  return luaL_testudata(L, index, type->name) != NULL;
}

void *userdata_check(lua_State *L, int arg, const userdata_type *type) {
  return data_of(luaL_checkudata(L, arg, type->name));
}

void *userdata_data(lua_State *L, int index) {
  return data_of(lua_touserdata(L, index));
}

void userdata_hand_over(lua_State *L, int index, const userdata_type *type) {
  box *from = lua_touserdata(L, index);
  box *to = push_box(L, from->holdings, type);
  to->block = data_of(from) == NULL ? NULL : from->block;
  from->block = NULL;
}

void userdata_free(lua_State *L, int index) {
  box *u = lua_touserdata(L, index);
  if (data_of(u) != NULL) free_block(u->block);
  u->block = NULL;
}
