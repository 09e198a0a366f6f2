/* JSON as text (RFC 8259), without Lua. lua-cjson builds the Lua values of an
 * answer; what it is laxer about (numbers, control characters, UTF-8) is
 * refused here before it sees the text. */
#ifndef BYTENITE_JSON_SCAN_H
#define BYTENITE_JSON_SCAN_H

#include <stddef.h>

#include "json/report.h"

/* Nested arrays and objects in an answer: a record's 30 and 3 around it. */
#define JSON_MAX_DEPTH 33

/* Checks that the text is exactly one JSON value. `mark` may be NULL. */
json_verdict json_scan(
  const char *text, size_t length, json_report *report, json_mark *mark,
  void *context
);

/* Checks the same, and finds members of the object that the text is; what was
 * found in a text that is not valid means nothing. The last one of several with
 * the same name wins, as everywhere. Takes no memory. */
json_verdict json_find(
  const char *text, size_t length, json_member *members, size_t count
);

#endif
