/* From a finished exchange to what a method of the core's Client returns: its
 * value, or nil and a table of facts. The policy layer turns facts into an
 * Error; they hold no credentials:
 *
 *   reason       "curl" "incomplete" "limit" "encoded" "memory" "cancelled":
 *                no answer, or not a whole one; "status": not 2xx; "form": a
 *                2xx answer of the wrong form; "refused": 2xx without ok;
 *                "invalid": an argument that cannot be sent
 *   detail       text that belongs to the reason
 *   curl         libcurl's error code, with reason "curl"
 *   sends        requests that left
 *   status       of the answer, if any
 *   retry_after  seconds, if the server said so
 *   code, description, requestId   of the failure's body, if it has them
 *   words        "envelope" or "grpc": the service itself wrote the body of
 *                the failure, in this form. Missing if a router, a proxy or a
 *                login page may have written it
 *   field        the argument, with reason "invalid"
 */
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

/* Pushes nil and the facts of an argument that cannot be sent. */
int answer_invalid(lua_State *L, const char *field, const char *problem);

/* Pushes nil and the facts of a call that memory is too short for. */
int answer_no_memory(lua_State *L);

/* Each pushes the results of one operation and returns their number. */
int answer_list(lua_State *L, exchange *x);
int answer_receipt(lua_State *L, exchange *x);

/* Reads the token into `token`, which the caller owns, and pushes nothing
 * (returns 0); or pushes a failure. */
int answer_token(
  lua_State *L, exchange *x, token_answer *token, const char *scheme
);

#endif
