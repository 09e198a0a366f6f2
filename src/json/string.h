/* What a JSON string stands for. */
#ifndef BYTENITE_JSON_STRING_H
#define BYTENITE_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"

/* Appends the text that a valid JSON string, quotes included, stands for. */
bool json_read_string(buffer *out, const char *text, size_t length);

#endif
