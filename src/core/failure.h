/* From an exchange that failed to its facts (facts.h): how it broke off, what
 * the body of the failure says, and who wrote that body. */
#ifndef BYTENITE_FAILURE_H
#define BYTENITE_FAILURE_H

#include <stdbool.h>

#include "compat.h"
#include "http/exchange.h"

/* Each pushes nil and facts and returns 2. */

/* No answer came, or not a whole one. */
int failure_unanswered(lua_State *L, exchange *x);

/* The answer is larger than allowed. */
int failure_too_large(lua_State *L, const exchange *x);

/* The status is not 2xx. The body may be JSON, or anything else. */
int failure_status(lua_State *L, exchange *x);

/* The object on top, the body of a 2xx answer, says that the service refused;
 * it still has to go through json_restore if it is `marked`. */
int failure_refused(lua_State *L, exchange *x, bool marked);

/* True if the object on top says of itself that it is no success: by an `ok`
 * that is not true, or, if the object is `empty` otherwise, by an error or the
 * code of a bare gRPC status. */
bool failure_is_refusal(lua_State *L, bool empty);

#endif
