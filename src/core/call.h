/* The Call userdata: owns one exchange while a method of Client runs, so that
 * an error raised at any point leaves nothing behind. */
#ifndef BYTENITE_CALL_H
#define BYTENITE_CALL_H

#include "compat.h"
#include "exchange.h"

/* Registers the type. */
void call_open(lua_State *L);

/* Pushes a Call with an empty exchange. */
exchange *call_push(lua_State *L, http_method method, size_t answer_limit);

/* Runs the exchange to its end, at most `ms`, blocking in poll(2). A change of
 * the debug hook, which is how `lua` reports Ctrl-C, cancels it. */
void call_perform(lua_State *L, exchange *x, transport *t, long ms);

/* Sleeps; false at once when the debug hook changes meanwhile. */
bool call_sleep(lua_State *L, long ms);

#endif
