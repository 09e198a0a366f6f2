#include "call.h"

#include "memory.h"
#include "userdata.h"

#define TYPE_NAME "bytenite.Call"

/* Signals may arrive just before poll(2), so hooks are also looked at this
 * often. */
#define LOOK_MS 1000

/* The hooks of the running coroutine and of the main thread. */
typedef struct hooks {
  lua_State *main;
  lua_Hook of_main;
  lua_Hook of_running;
} hooks;

static hooks hooks_of(lua_State *L) {
  hooks h = {L, NULL, NULL};
#ifdef LUA_RIDX_MAINTHREAD
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  h.main = lua_tothread(L, -1);
  lua_pop(L, 1);
#endif
  h.of_main = lua_gethook(h.main);
  h.of_running = lua_gethook(L);
  return h;
}

/* Some hosts keep a hook installed for good, so only a change means that
 * somebody wants the script to stop. */
static bool hooks_changed(lua_State *L, const hooks *before) {
  return lua_gethook(before->main) != before->of_main
    || lua_gethook(L) != before->of_running;
}

exchange *call_push(lua_State *L, http_method method, size_t answer_limit) {
  exchange *x = lua_newuserdatauv(L, sizeof *x, 0);
  exchange_init(x, method, answer_limit);
  luaL_setmetatable(L, TYPE_NAME);
  return x;
}

void call_perform(lua_State *L, exchange *x, transport *t, long ms) {
  hooks before = hooks_of(L);
  exchange_start(x, t, ms);
  while (x->end == EXCHANGE_RUNNING) {
    if (transport_wait(t, LOOK_MS) == TRANSPORT_FAILED) {
      x->code = CURLE_RECV_ERROR;
      exchange_stop(x, EXCHANGE_BROKEN);
    } else if (x->end == EXCHANGE_RUNNING && hooks_changed(L, &before)) {
      exchange_stop(x, EXCHANGE_CANCELLED);
    }
  }
  if (x->method == HTTP_POST) memory_burn_stack();
}

bool call_sleep(lua_State *L, long ms) {
  hooks before = hooks_of(L);
  int64_t end = transport_now() + ms;
  int64_t left = ms;
  while (left > 0 && !hooks_changed(L, &before)) {
    (void)poll(NULL, 0, left < LOOK_MS ? (int)left : LOOK_MS);
    left = end - transport_now();
  }
  return left <= 0;
}

static int call__gc(lua_State *L) {
  exchange_free(lua_touserdata(L, 1));
  return 0;
}

static const luaL_Reg methods[] = {
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__gc", call__gc},
  {NULL, NULL},
};

void call_open(lua_State *L) {
  userdata_type(L, TYPE_NAME, methods, metamethods);
}
