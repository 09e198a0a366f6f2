/* What the operations of the core's Client have in common: the way from a call
 * whose request was written to the results of the method. */
#ifndef BYTENITE_PERFORM_H
#define BYTENITE_PERFORM_H

#include "compat.h"
#include "core/call.h"
#include "http/exchange.h"

/* Bytes of an answer, except for lists, whose limit is an option. */
#define PERFORM_ANSWER_MAX (256 * 1024)

/* Begins the target of a request of the Client at index 1, which must still be
 * open, with the path of its base URL and `path`. */
void perform_set_target(lua_State *L, exchange *x, const char *path);

/* Performs the call on top and returns the number of its results: a value and
 * how many requests it took, or nil and facts. If the argument at `start`, the
 * method's last one, is true, only starts the call and returns it. */
int perform(lua_State *L, call *k, long ms, int start);

/* Adds `collect` to the Client's methods: it takes the answer of a call that
 * was only started. */
void perform_open(lua_State *L);

#endif
