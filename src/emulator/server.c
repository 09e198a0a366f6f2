/* The module `bytenite.secrets.emulator.server`: a Server userdata, which is an
 * HTTP server and the private Lua state that answers its requests. */
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "core/userdata.h"
#include "emulator/copy.h"
#include "emulator/http.h"
#include "emulator/state.h"

typedef struct server {
  emulator_state state;
  emulator_http http;
  pid_t owner;
} server;

int luaopen_bytenite_secrets_emulator_server(lua_State *L);

/* The one release, for stop, __gc and __close. In a forked child the thread
 * does not exist and the lock may be held for good: nothing is touched. */
static void release(void *data) {
  server *s = data;
  if (s->owner != getpid()) return;
  emulator_http_stop(&s->http);
  emulator_state_close(&s->state);
}

static const userdata_type server_type = {
  "bytenite.secrets.emulator.server", sizeof(server), release
};

static server *check_running(lua_State *L) {
  server *s = userdata_check(L, 1, &server_type);
  if (s == NULL) luaL_error(L, "the emulator is stopped");
  if (s->owner != getpid()) {
    luaL_error(L, "the emulator belongs to another process");
  }
  if (!s->http.running) luaL_error(L, "the emulator is stopped");
  return s;
}

/* server:call(name, value) calls the routes' function `name` in the private
 * state and returns its result; both values are copied. */
static int server_call(lua_State *L) {
  server *s = check_running(L);
  const char *name = luaL_checkstring(L, 2);
  lua_settop(L, 3);
  emulator_state_call(L, &s->state, name, 3);
  return 1;
}

/* server:port() */
static int server_port(lua_State *L) {
  const server *s = check_running(L);
  lua_pushinteger(L, (lua_Integer)emulator_http_port(&s->http));
  return 1;
}

/* server:stop(), idempotent */
static int server_stop(lua_State *L) {
  server *s = userdata_check(L, 1, &server_type);
  if (s != NULL) release(s);
  return 0;
}

static server *new_server(lua_State *L) {
  server *s = userdata_push(L, &server_type);
  if (s == NULL) luaL_error(L, "not enough memory");
  s->owner = getpid();
  emulator_state_init(&s->state);
  emulator_http_init(&s->http, emulator_state_handle, &s->state);
  return s;
}

/* start(port, settings, array_mt): calls the routes' `configure` with the
 * settings, then listens. Returns the server, or nil and why the port cannot
 * be had; what `configure` complains about is raised. */
static int start(lua_State *L) {
  lua_Integer port = luaL_checkinteger(L, 1);
  server *s;
  int failure;
  luaL_argcheck(L, port >= 0 && port <= 65535, 1, "not a port");
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  emulator_copy_mark(L);
  s = new_server(L);
  emulator_state_open(L, &s->state);
  emulator_state_call(L, &s->state, "configure", 2);
  lua_pop(L, 1);
  failure = emulator_http_start(&s->http, (uint16_t)port);
  if (failure == 0) return 1;
  release(s);
  lua_pushnil(L);
  lua_pushfstring(
    L, "cannot listen on 127.0.0.1:%d: %s", (int)port, strerror(failure)
  );
  return 2;
}

static const luaL_Reg methods[] = {
  {"call", server_call},
  {"port", server_port},
  {"stop", server_stop},
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__close", server_stop},
  {NULL, NULL},
};

static const luaL_Reg functions[] = {
  {"start", start},
  {NULL, NULL},
};

COMPAT_BUILT_FOR;

COMPAT_EXPORT int luaopen_bytenite_secrets_emulator_server(lua_State *L) {
  luaL_checkversion(L);
  userdata_register(L, &server_type, methods, metamethods);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
