/* What the layers above ask of the system and of its libraries. */
#ifndef BYTENITE_SYSTEM_H
#define BYTENITE_SYSTEM_H

#include "compat.h"

/* Adds these functions to the table on top of the stack:
 *
 *   is_set(name)         whether a variable is there, and not empty
 *   monotonic()          seconds of a clock that only goes forward
 *   sleep(seconds)       false when the script is to be interrupted
 *   random()             a number from 0 up to 1
 *   has_yielded(thread)  whether a coroutine has yielded
 *   info()               { libcurl =, tls =, cjson =, scrubbing =,
 *                        memory_lock =, undumped =, async_dns = }
 *   ca_store()           where the system's CA certificates are | nil
 */
void system_open(lua_State *L);

#endif
