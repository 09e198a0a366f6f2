/* From a finished exchange to what a method of the core's Client returns: its
 * value, or nil and facts (facts.h). */
#ifndef BYTENITE_ANSWER_H
#define BYTENITE_ANSWER_H

#include "compat.h"
#include "core/token_answer.h"
#include "http/exchange.h"

/* Prepares the state for the functions below; once. */
void answer_open(lua_State *L);

/* Pushes the weak table whose keys are records that hold a number which this
 * Lua cannot hold exactly. */
void answer_push_inexact(lua_State *L);

/* Each pushes the results of one operation and returns their number. */
int answer_list(lua_State *L, exchange *x);
int answer_receipt(lua_State *L, exchange *x);

/* Reads the token into `token`, which the caller owns, and pushes nothing
 * (returns 0); or pushes a failure. */
int answer_token(
  lua_State *L, exchange *x, token_answer *token, const char *scheme
);

#endif
