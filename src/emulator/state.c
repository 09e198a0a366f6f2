#include "emulator/state.h"

#include <string.h>

#include "emulator/copy.h"

#define ROUTES "bytenite.secrets.emulator.routes"

/* The bottom of the private stack. The functions wait there because pushing
 * one can raise under 5.1, where nothing on the server's thread catches it. */
enum { HANDLE = 1, CALL, MODULE };

typedef struct call {
  lua_State *host;
  emulator_state *state;
  const char *name;
  int index;
  int status; /* of the call in the private state */
} call;

/* Private stack: 1 the argument for it, 2 the routes. */
static int run_protected(emulator_state *state, int function, void *argument) {
  lua_State *L = state->L;
  lua_pushvalue(L, function);
  lua_pushlightuserdata(L, argument);
  lua_pushvalue(L, MODULE);
  return lua_pcall(L, 2, 1, 0);
}

static void push_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* An array of names and values by turns: a field may be repeated. */
static void push_headers(lua_State *L, const buffer *headers) {
  size_t at = 0;
  int count = 0;
  lua_newtable(L);
  while (at < headers->length) {
    const char *text = headers->data + at;
    lua_pushstring(L, text);
    lua_rawseti(L, -2, ++count);
    at += strlen(text) + 1;
  }
  lua_setfield(L, -2, "headers");
}

static void push_request(lua_State *L, const emulator_request *request) {
  size_t length = request->body.length;
  lua_newtable(L);
  push_text(L, "method", request->method);
  push_text(L, "uri", request->uri);
  push_headers(L, &request->headers);
  lua_pushlstring(L, length > 0 ? request->body.data : "", length);
  lua_setfield(L, -2, "body");
  lua_pushboolean(L, request->body.state == BUFFER_FULL);
  lua_setfield(L, -2, "too_large");
}

static void append(lua_State *L, buffer *b, const char *text, size_t length) {
  if (!buffer_append(b, text, length)) luaL_error(L, "not enough memory");
}

/* Takes the answer's header fields from the table on top, and pops it. */
static void take_headers(lua_State *L, buffer *headers) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    const char *name = luaL_checkstring(L, -2);
    const char *value = luaL_checkstring(L, -1);
    append(L, headers, name, strlen(name) + 1);
    append(L, headers, value, strlen(value) + 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Takes the answer from the table on top of the stack. */
static void take_answer(lua_State *L, emulator_answer *answer) {
  const char *drop, *body;
  size_t length;
  lua_getfield(L, -1, "headers");
  take_headers(L, &answer->headers);
  lua_getfield(L, -1, "body");
  body = luaL_checklstring(L, -1, &length);
  append(L, &answer->body, body, length);
  lua_getfield(L, -2, "status");
  answer->status = (unsigned)luaL_checkinteger(L, -1);
  lua_getfield(L, -3, "delay");
  answer->delay = luaL_optnumber(L, -1, 0);
  lua_getfield(L, -4, "drop");
  drop = lua_tostring(L, -1);
  if (drop != NULL) {
    answer->drop = strcmp(drop, "midway") == 0
      ? EMULATOR_DROP_HALF
      : EMULATOR_DROP_ALL;
  }
}

/* Runs in the private state. Stack: 1 the request, 2 the routes. */
static int handle_request(lua_State *L) {
  emulator_request *request = lua_touserdata(L, 1);
  lua_getfield(L, 2, "handle");
  push_request(L, request);
  lua_call(L, 1, 1);
  luaL_checktype(L, -1, LUA_TTABLE);
  take_answer(L, &request->answer);
  return 0;
}

static void answer_failure(emulator_answer *answer, const char *message) {
  buffer_free(&answer->headers);
  buffer_free(&answer->body);
  (void)buffer_text(&answer->body, "the emulator failed: ");
  (void)buffer_text(&answer->body, message);
  answer->status = 500;
  answer->delay = 0;
  answer->drop = EMULATOR_DROP_NOTHING;
}

void emulator_state_handle(void *context, emulator_request *request) {
  emulator_state *state = context;
  (void)pthread_mutex_lock(&state->lock);
  if (run_protected(state, HANDLE, request) != LUA_OK) {
    const char *message = lua_type(state->L, -1) == LUA_TSTRING
      ? lua_tostring(state->L, -1)
      : "no message";
    answer_failure(&request->answer, message);
  }
  lua_settop(state->L, MODULE);
  (void)pthread_mutex_unlock(&state->lock);
}

/* Runs in the private state. Stack: 1 the call, 2 the routes. */
static int call_routes(lua_State *L) {
  call *c = lua_touserdata(L, 1);
  lua_getfield(L, 2, c->name);
  emulator_copy(c->host, c->index, L);
  lua_call(L, 1, 1);
  return 1;
}

/* Runs in the host's state: pushes the result, or raises the message, that the
 * private state has on top of its stack. */
static int fetch_result(lua_State *host) {
  const call *c = lua_touserdata(host, 1);
  emulator_copy(c->state->L, lua_gettop(c->state->L), host);
  return c->status == LUA_OK ? 1 : lua_error(host);
}

void emulator_state_call(
  lua_State *host, emulator_state *state, const char *name, int index
) {
  call c = { host, state, name, index, LUA_OK };
  int top, status;
  luaL_checkstack(host, EMULATOR_COPY_SLOTS, "too many nested tables");
  lua_pushcfunction(host, fetch_result);
  lua_pushlightuserdata(host, &c);
  top = lua_gettop(host);
  (void)pthread_mutex_lock(&state->lock);
  /* Nothing raises in the host's state here without being caught. */
  c.status = run_protected(state, CALL, &c);
  lua_settop(host, top);
  status = lua_pcall(host, 1, 1, 0);
  lua_settop(state->L, MODULE);
  (void)pthread_mutex_unlock(&state->lock);
  if (status != LUA_OK) (void)lua_error(host);
}

/* Runs in the private state. Stack: 1 the host's state, whose top two values
 * are its package.path and package.cpath. Returns the routes. */
static int load_routes(lua_State *L) {
  lua_State *host = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  emulator_copy(host, lua_gettop(host) - 1, L);
  lua_setfield(L, -2, "path");
  emulator_copy(host, lua_gettop(host), L);
  lua_setfield(L, -2, "cpath");
  lua_getglobal(L, "require");
  lua_pushliteral(L, ROUTES);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "array_mt");
  emulator_copy_mark(L);
  return 1;
}

static void push_paths(lua_State *host) {
  lua_getglobal(host, "package");
  lua_getfield(host, -1, "path");
  lua_getfield(host, -2, "cpath");
  lua_remove(host, -3);
  luaL_checkstack(host, EMULATOR_COPY_SLOTS, NULL);
}

void emulator_state_init(emulator_state *state) {
  state->L = NULL;
}

void emulator_state_open(lua_State *host, emulator_state *state) {
  lua_State *L;
  push_paths(host);
  L = luaL_newstate();
  if (L == NULL) luaL_error(host, "not enough memory");
  (void)pthread_mutex_init(&state->lock, NULL);
  state->L = L;
  if (!lua_checkstack(L, EMULATOR_COPY_SLOTS)) {
    luaL_error(host, "not enough memory");
  }
  lua_pushcfunction(L, handle_request);
  lua_pushcfunction(L, call_routes);
  lua_pushcfunction(L, load_routes);
  lua_pushlightuserdata(L, host);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    emulator_copy(L, lua_gettop(L), host);
    (void)lua_error(host);
  }
  lua_pop(host, 2);
}

void emulator_state_close(emulator_state *state) {
  if (state->L == NULL) return;
  lua_close(state->L);
  state->L = NULL;
  (void)pthread_mutex_destroy(&state->lock);
}
