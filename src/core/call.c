#include "core/call.h"

#include <limits.h>
#include <poll.h>

#include "bytes/clock.h"
#include "bytes/memory.h"
#include "core/userdata.h"

/* Signals may arrive just before poll(2), so hooks are also looked at this
 * often. */
#define LOOK_MS 1000

call_hooks call_hooks_of(lua_State *L) {
  call_hooks h = {L, L, NULL, NULL};
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
bool call_hooks_changed(const call_hooks *before) {
  return lua_gethook(before->main) != before->of_main
    || lua_gethook(before->running) != before->of_running;
}

static void release(void *data) {
  call *c = data;
  transport_stop(&c->exchange, EXCHANGE_CANCELLED);
  exchange_free(&c->exchange);
}

static const userdata_type call_type = {
  "bytenite.Call", sizeof(call), release
};

call *call_push(
  lua_State *L, call_reader *read, http_method method, size_t answer_limit
) {
  call *c = userdata_push(L, &call_type);
  if (c == NULL) return NULL;
  exchange_init(&c->exchange, method, answer_limit);
  c->read = read;
  return c;
}

static bool is_signal(const call *c) {
  return c->read == NULL;
}

int call_read(lua_State *L, call *c) {
  if (is_signal(c)) return luaL_error(L, "a signal has no answer");
  return c->read(L, &c->exchange);
}

call *call_check(lua_State *L, int index) {
  return userdata_check(L, index, &call_type);
}

call *call_take(lua_State *L, int index) {
  userdata_hand_over(L, index, &call_type);
  return userdata_data(L, -1);
}

void call_perform(lua_State *L, exchange *x, transport *t, long ms) {
  call_hooks before = call_hooks_of(L);
  transport_start(t, x, ms);
  while (x->end == EXCHANGE_RUNNING) {
    (void)transport_wait(t, LOOK_MS);
    if (x->end == EXCHANGE_RUNNING && call_hooks_changed(&before)) {
      transport_stop(x, EXCHANGE_CANCELLED);
    }
  }
}

static long next_look(int64_t left) {
  return left < LOOK_MS ? (long)left : LOOK_MS;
}

/* What was collected is no more. */
static bool is_done(const call *c) {
  return c == NULL || c->exchange.end != EXCHANGE_RUNNING;
}

/* The Call on top, whose metatable is the value below it, or a Lua error. */
static const call *check_element(lua_State *L) {
  bool same = lua_getmetatable(L, -1) && lua_rawequal(L, -1, -3);
  if (!same || !lua_isuserdata(L, -2)) luaL_error(L, "array of calls expected");
  lua_pop(L, 1);
  return userdata_data(L, -1);
}

/* The index of the first in an array of Calls, from `at` on, that has ended, or
 * 0. */
static int first_done(lua_State *L, int index, int at) {
  int count = (int)lua_rawlen(L, index);
  bool done = false;
  luaL_getmetatable(L, call_type.name);
  for (; at <= count && !done; at++) {
    lua_rawgeti(L, index, at);
    done = is_done(check_element(L));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return done ? at - 1 : 0;
}

static bool push_index(lua_State *L, int index) {
  if (index == 0) {
    lua_pushnil(L);
  } else {
    lua_pushinteger(L, index);
  }
  return index > 0;
}

bool call_push_done(lua_State *L, int index, int from) {
  return push_index(L, first_done(L, index, from));
}

void call_poll(lua_State *L, int index, int from, transport *t, long ms) {
  call_hooks before = call_hooks_of(L);
  int64_t end = clock_now() + ms;
  int64_t left = ms;
  int done = first_done(L, index, from);
  /* What has run since the last wait may have ended others. */
  if (done == 0 && transport_has_results(t)) done = first_done(L, index, 1);
  while (done == 0 && left > 0) {
    (void)transport_wait(t, next_look(left));
    if (call_hooks_changed(&before)) {
      lua_pushboolean(L, 0);
      return;
    }
    if (transport_has_results(t)) done = first_done(L, index, 1);
    left = end - clock_now();
  }
  (void)push_index(L, done);
}

bool call_sleep(lua_State *L, long ms) {
  call_hooks before = call_hooks_of(L);
  int64_t end = clock_now() + ms;
  int64_t left = ms;
  while (left > 0 && !call_hooks_changed(&before)) {
    (void)poll(NULL, 0, (int)next_look(left));
    left = end - clock_now();
  }
  return left <= 0;
}

static int call_done(lua_State *L) {
  lua_pushboolean(L, is_done(call_check(L, 1)));
  return 1;
}

static int call_cancel(lua_State *L) {
  call *c = call_check(L, 1);
  if (c == NULL) return 0;
  release(c);
  c->exchange.end = EXCHANGE_CANCELLED;
  if (is_signal(c)) userdata_free(L, 1); /* it is not collected */
  memory_burn_stack();
  return 0;
}

static int call_set(lua_State *L) {
  call *c = call_check(L, 1);
  if (c == NULL) return 0; /* nobody waits for it any more */
  luaL_argcheck(L, is_signal(c), 1, "signal expected");
  if (!is_done(c)) exchange_signal(&c->exchange);
  return 0;
}

int call_check_from(lua_State *L, int arg) {
  lua_Integer from = luaL_optinteger(L, arg, 1);
  luaL_argcheck(L, from > 0 && from < INT_MAX, arg, "index expected");
  return (int)from;
}

static int call_first_done(lua_State *L) {
  int from = call_check_from(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  (void)call_push_done(L, 1, from);
  return 1;
}

static const luaL_Reg methods[] = {
  {"cancel", call_cancel},
  {"done", call_done},
  {"set", call_set},
  {NULL, NULL},
};

static const luaL_Reg none[] = {
  {NULL, NULL},
};

static const luaL_Reg functions[] = {
  {"first_done", call_first_done},
  {NULL, NULL},
};

void call_open(lua_State *L) {
  userdata_register(L, &call_type, methods, none);
  luaL_setfuncs(L, functions, 0);
}
