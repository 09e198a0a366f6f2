/* Checks of values without sending them, for the layers above. */
#ifndef BYTENITE_CHECKS_H
#define BYTENITE_CHECKS_H

#include "compat.h"

/* Adds these functions to the table on top of the stack:
 *
 *   check_record(secret)       true | nil, facts (facts.h): why put would
 *                              refuse it
 *   check_segment(text)        true | nil, problem: as an id or secretType
 *   check_key(key)             true | nil, problem: as a secretKey
 *   check_token(token, trim?)  true | nil, problem: as a token or API key
 *   is_plain_record(value)     boolean: only known fields, of their types
 *   is_printable(text)         boolean: ASCII without control characters
 *   has_stray_newline(text)    boolean: a single line that begins or ends with
 *                              a newline
 *   is_loopback(base_url)      boolean: its host is this machine
 */
void checks_open(lua_State *L);

#endif
