/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond
 * U+10FFFF. */
#ifndef BYTENITE_UTF8_H
#define BYTENITE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"

/* The length of the character at `text`, which has `left` bytes, at least one;
 * 0 when there is no valid one. */
size_t utf8_sequence(const char *text, size_t left);

/* The length of the longest valid prefix: `length` when all of it is valid. */
size_t utf8_prefix(const char *text, size_t length);

/* Appends a code point up to U+10FFFF; false when the buffer failed. */
bool utf8_append(buffer *out, unsigned long code);

#endif
