#include "core/perform.h"

#include "bytes/memory.h"
#include "bytes/secret.h"
#include "core/client.h"
#include "core/userdata.h"

void perform_set_target(lua_State *L, exchange *x, const char *path) {
  buffer_text(&x->target, transport_prefix(&client_check_again(L)->transport));
  buffer_text(&x->target, path);
}

/* The last check before bytes leave: everything was written. */
static bool enter(client *c, exchange *x) {
  bool forked;
  buffer_append(&x->target, "", 1);
  if (
    !transport_enter(&c->transport, &forked)
    || x->target.state != BUFFER_OK || x->body.state != BUFFER_OK
    || x->secret.state != BUFFER_OK
  ) {
    x->end = EXCHANGE_MEMORY;
    return false;
  }
  if (forked && c->authorization.line != NULL) {
    secret_lock(c->authorization.line);
  }
  return true;
}

/* The results of an operation: its value and how many requests it took, or nil
 * and facts. Frees the Call at `index`, which no other code may hold:
 * finalizers can run while its answer is read. */
static int collect(lua_State *L, call *k, int index) {
  lua_Integer sends = (lua_Integer)k->exchange.sends;
  int results = call_read(L, k);
  userdata_free(L, index);
  memory_burn_stack();
  if (results == 2) return 2;
  lua_pushinteger(L, sends);
  return 2;
}

int perform(lua_State *L, call *k, long ms, int start) {
  client *c = client_check_again(L);
  exchange *x = &k->exchange;
  bool ready = enter(c, x);
  if (!lua_toboolean(L, start)) {
    if (ready) call_perform(L, x, &c->transport, ms);
    return collect(L, k, start + 1);
  }
  exchange_announce(x, transport_wakeup(&c->transport));
  if (ready) transport_start(&c->transport, x, ms);
  return 1;
}

static int client_collect(lua_State *L) {
  call *k;
  (void)client_check_any(L);
  k = call_check(L, 2);
  luaL_argcheck(L, k != NULL, 2, "its answer was collected");
  luaL_argcheck(
    L, k->exchange.end != EXCHANGE_RUNNING, 2, "it is still under way"
  );
  lua_settop(L, 2);
  k = call_take(L, 2);
  luaL_argcheck(L, k != NULL, 2, "its answer was collected");
  return collect(L, k, 3);
}

static const luaL_Reg methods[] = {
  {"collect", client_collect},
  {NULL, NULL},
};

void perform_open(lua_State *L) {
  client_add_methods(L, methods);
}
