#include "core/client.h"

#include <string.h>

#include "core/call.h"
#include "core/facts.h"
#include "core/userdata.h"

static void release(void *data) {
  client *c = data;
  if (!c->open) return;
  c->open = false;
  transport_close(&c->transport);
  authorization_free(&c->authorization);
}

static const userdata_type client_type = {
  "bytenite.core.Client", sizeof(client), release
};

static client *check_open(lua_State *L, client *c) {
  if (c == NULL || !c->open) luaL_error(L, "the client is closed");
  return c;
}

client *client_check_any(lua_State *L) {
  return userdata_check(L, 1, &client_type);
}

client *client_check(lua_State *L) {
  return check_open(L, client_check_any(L));
}

client *client_check_again(lua_State *L) {
  return check_open(L, userdata_data(L, 1));
}

void client_add_methods(lua_State *L, const luaL_Reg *methods) {
  luaL_getmetatable(L, client_type.name);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 2);
}

/* --- what is under way --- */

static int client_signal(lua_State *L) {
  client *c;
  call *k;
  (void)client_check(L);
  k = call_push(L, NULL, HTTP_GET, 0);
  c = client_check_again(L);
  if (k == NULL) return facts_push_no_memory(L);
  exchange_announce(&k->exchange, transport_wakeup(&c->transport));
  return 1;
}

/* Moves what is under way; blocks until one of these calls has ended, or the
 * time is up. Returns its index, or nil, or false when the script is to be
 * interrupted. The look begins with the one at an index, which saves time where
 * those before have been looked at. Nothing is under way on a closed client. */
static int client_poll(lua_State *L) {
  client *c = client_check_any(L);
  long ms = check_ms(L, 3);
  int from = call_check_from(L, 4);
  bool forked;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  if (c != NULL && c->open && transport_enter(&c->transport, &forked)) {
    call_poll(L, 2, from, &c->transport, ms);
    return 1;
  }
  if (call_push_done(L, 2, 1)) return 1;
  if (call_sleep(L, ms < 10 ? ms : 10)) return 0;
  lua_pushboolean(L, 0);
  return 1;
}

/* Moves what is under way. Returns the descriptor that an event loop has to
 * wait for, if there is one, and for how many seconds at most. */
static int client_run(lua_State *L) {
  client *c = client_check_any(L);
  transport *t;
  bool forked;
  lua_pushnil(L);
  lua_pushnumber(L, 0.01);
  if (c == NULL || !c->open) return 2;
  t = &c->transport;
  if (!transport_enter(t, &forked)) return 2;
  (void)transport_wait(t, 0);
  if (transport_descriptor(t) >= 0) {
    lua_pushinteger(L, transport_descriptor(t));
    lua_replace(L, -3);
  }
  lua_pushnumber(L, (lua_Number)transport_patience(t) / 1000);
  lua_replace(L, -2);
  return 2;
}

/* The clock of the service, in seconds since 1970, as the newest answer had it,
 * and the monotonic seconds when that came; nothing if it did not say. */
static int client_server_date(lua_State *L) {
  int64_t at;
  time_t date = transport_date(&client_check(L)->transport, &at);
  if (date == -1) return 0;
  lua_pushnumber(L, (lua_Number)date);
  lua_pushnumber(L, (lua_Number)at / 1000);
  return 2;
}

/* --- release --- */

static int client_close(lua_State *L) {
  client *c = client_check_any(L);
  if (c != NULL) release(c);
  return 0;
}

static int client__tostring(lua_State *L) {
  const client *c = client_check_any(L);
  lua_pushfstring(L, "%s (%s)", client_type.name,
    c != NULL && c->open ? "open" : "closed");
  return 1;
}

/* --- the type and its constructor --- */

static int push_problem(
  lua_State *L, const char *problem, const char *option
) {
  lua_pushnil(L);
  lua_pushstring(L, problem);
  lua_pushstring(L, option);
  return 3;
}

static int client_new(lua_State *L) {
  options given;
  const char *option;
  const char *problem;
  client *c;
  luaL_checktype(L, 1, LUA_TTABLE);
  problem = options_read(L, &given, &option);
  c = userdata_push(L, &client_type);
  if (c == NULL) return push_problem(L, "memory is short", NULL);
  c->open = true;
  c->list_max = given.list_max;
  memcpy(c->scheme, given.scheme, sizeof c->scheme);
  if (problem == NULL) {
    problem = transport_open(&c->transport, &given.http, &option);
  }
  return problem == NULL ? 1 : push_problem(L, problem, option);
}

static const luaL_Reg methods[] = {
  {"close", client_close},
  {"poll", client_poll},
  {"run", client_run},
  {"server_date", client_server_date},
  {"signal", client_signal},
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__close", client_close},
  {"__tostring", client__tostring},
  {NULL, NULL},
};

static const luaL_Reg functions[] = {
  {"client", client_new},
  {NULL, NULL},
};

void client_open(lua_State *L) {
  userdata_register(L, &client_type, methods, metamethods);
  luaL_setfuncs(L, functions, 0);
}
