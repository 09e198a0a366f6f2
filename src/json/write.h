/* JSON as text, without Lua: strings and numbers. */
#ifndef BYTENITE_JSON_WRITE_H
#define BYTENITE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"

/* Appends `"text"` with the escapes that JSON asks for; `text` must be valid
 * UTF-8. False when the buffer failed. */
bool json_write_string(buffer *out, const char *text, size_t length);

/* Appends an integer. */
bool json_write_integer(buffer *out, long long value);

/* Appends a finite number so that reading it gives the same double: integral
 * ones below 1e21 as integers, others with 17 digits. */
bool json_write_double(buffer *out, double value);

#endif
