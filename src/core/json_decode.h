/* JSON to Lua values, by lua-cjson. The text is scanned first, so that what
 * cjson is laxer about never reaches it; and what cjson cannot tell (an empty
 * array), would round (integers beyond 2^53) or would read by the locale that
 * the host had when cjson was loaded (fractions) travels through it as marked
 * strings, which json_restore turns into the right values. */
#ifndef BYTENITE_JSON_DECODE_H
#define BYTENITE_JSON_DECODE_H

#include <stdbool.h>

#include "bytes/buffer.h"
#include "compat.h"
#include "json/scan.h"

/* Makes this state's private cjson instance; once, when the module is opened.
 * Raises when lua-cjson is missing. */
void json_decode_open(lua_State *L);

/* Pushes the value of the JSON text, when the verdict is JSON_VALID, else
 * nothing. The text must belong to a userdata; it is freed on the way, so that
 * a long one is not in memory twice. With `report->marks` > 0 the value still
 * has to go through json_restore. Raises only when Lua's memory is short;
 * `text->state` tells of our own. */
json_verdict json_decode(lua_State *L, buffer *text, json_report *report);

/* Replaces the marked strings in the value on top of the stack, nested ones
 * included. False when it had an integer that this Lua cannot hold exactly. */
bool json_restore(lua_State *L);

/* Pushes cjson.null. */
void json_push_null(lua_State *L);

/* True if the value at `index` is nil or null: no member, or an empty one. */
bool json_is_absent(lua_State *L, int index);

/* Pushes the version of lua-cjson, a string. */
void json_push_version(lua_State *L);

#endif
