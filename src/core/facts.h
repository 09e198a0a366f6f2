/* What the core knows of a call that failed: a table of facts, which the policy
 * layer turns into an Error. Facts hold no credentials:
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
#ifndef BYTENITE_FACTS_H
#define BYTENITE_FACTS_H

#include <stddef.h>

#include "compat.h"
#include "http/exchange.h"

/* Each of these three pushes nil and facts, and returns 2. */

/* The facts that any exchange has; `detail` may be NULL. */
int facts_push(
  lua_State *L, const exchange *x, const char *reason, const char *detail
);

/* An argument cannot be sent; `problem` says why. */
int facts_push_invalid(lua_State *L, const char *field, const char *problem);

/* Memory is too short to make the call. */
int facts_push_no_memory(lua_State *L);

/* Each sets a field of the table on top. */
void facts_set_text(lua_State *L, const char *field, const char *text);
void facts_set_integer(lua_State *L, const char *field, long value);

/* How many bytes are kept of a text that the server wrote. */
#define SERVER_TEXT_MAX 2048

/* Overwrites in `text` whatever it shares with the credentials of its
 * exchange. */
void facts_hide_credentials(const exchange *x, char *text, size_t length);

#endif
