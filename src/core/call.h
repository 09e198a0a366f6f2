/* The Call userdata: owns one exchange, so that an error raised at any point
 * leaves nothing behind. Most calls are performed by the method that makes
 * them. One that is only started, and the signal, which is a call without an
 * exchange, are what coroutines wait for:
 *
 *   call:done()      whether it has ended
 *   call:cancel()    ends it, and wipes what it holds
 *   call:set()       ends a signal
 *   first_done(calls, from?)  index of the first in an array, from an index on,
 *                    that has ended, or nil
 */
#ifndef BYTENITE_CALL_H
#define BYTENITE_CALL_H

#include "compat.h"
#include "http/exchange.h"
#include "http/transport.h"

/* Reads the answer of an exchange that has ended: pushes a value, or nil and
 * facts (facts.h), and returns their number. */
typedef int call_reader(lua_State *L, exchange *x);

typedef struct call {
  exchange exchange;
  call_reader *read; /* NULL for a signal */
} call;

/* Registers the type, and adds first_done to the table on top. */
void call_open(lua_State *L);

/* Pushes a Call with an empty exchange; NULL when memory is short. A signal has
 * no reader. */
call *call_push(
  lua_State *L, call_reader *read, http_method method, size_t answer_limit
);

/* Has its reader push the results. A signal is a Lua error. */
int call_read(lua_State *L, call *c);

/* The Call at this index, NULL when it was collected, or a Lua error. */
call *call_check(lua_State *L, int index);

/* Pushes a Call that stands for the exchange of the one at `index`, which is
 * collected from now on: no finalizer can reach the exchange while its answer
 * is read. NULL when one already has. */
call *call_take(lua_State *L, int index);

/* Runs the exchange to its end, at most `ms`, blocking in poll(2). A change of
 * the debug hook, which is how `lua` reports Ctrl-C, cancels it. */
void call_perform(lua_State *L, exchange *x, transport *t, long ms);

/* An argument that is an index of an array, 1 when there is none. */
int call_check_from(lua_State *L, int arg);

/* Pushes the index of the first Call in the array at `index` that has ended,
 * from one on, and returns true; pushes nil when there is none. */
bool call_push_done(lua_State *L, int index, int from);

/* Pushes the same, or else that of any of them: where none has ended yet, it
 * moves what is under way until one has, at most `ms`. Pushes false when the
 * debug hook changed meanwhile. */
void call_poll(lua_State *L, int index, int from, transport *t, long ms);

/* Sleeps; false at once when the debug hook changes meanwhile. */
bool call_sleep(lua_State *L, long ms);

/* The debug hooks of the running coroutine and of the main thread. They change
 * when the script is to stop, which is how `lua` reports Ctrl-C. */
typedef struct call_hooks {
  lua_State *main;
  lua_State *running;
  lua_Hook of_main;
  lua_Hook of_running;
} call_hooks;

call_hooks call_hooks_of(lua_State *L);

bool call_hooks_changed(const call_hooks *before);

#endif
