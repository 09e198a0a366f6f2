/* The private Lua state of one emulator, where the module
 * `bytenite.secrets.emulator.routes` runs. Two threads use it, one at a time:
 * the server's for requests, the host's for calls. */
#ifndef BYTENITE_EMULATOR_STATE_H
#define BYTENITE_EMULATOR_STATE_H

#include <pthread.h>

#include "compat.h"
#include "emulator/http.h"

typedef struct emulator_state {
  lua_State *L; /* NULL = closed */
  pthread_mutex_t lock;
} emulator_state;

/* Makes a closed state; takes nothing. */
void emulator_state_init(emulator_state *state);

/* Opens the state with the host's package.path and package.cpath, and loads
 * the routes in it. Raises in `host` when that fails; close it then, too. */
void emulator_state_open(lua_State *host, emulator_state *state);

/* Calls the routes' function `name` with a copy of the value at the absolute
 * `index` of `host` and pushes a copy of its result. Raises in `host`, with
 * the state unlocked, when the function raised or memory is short. */
void emulator_state_call(
  lua_State *host, emulator_state *state, const char *name, int index
);

/* An emulator_handler, with the state as its context: asks the routes'
 * `handle` for the answer. When that fails, the answer is a 500 that says so
 * in plain text. */
void emulator_state_handle(void *state, emulator_request *request);

/* Frees the state; idempotent. The server must not run any more. */
void emulator_state_close(emulator_state *state);

#endif
