#include "bytes/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Whether all of 8 bytes are plain. Each term has the highest bit of a byte set
 * when that byte is below 0x20, a quote, a backslash, or beyond ASCII. Only
 * such a byte borrows from the next one, so that the answer is exact. */
static bool is_plain_word(const char *at) {
  const uint64_t each = UINT64_C(0x0101010101010101);
  uint64_t word;
  uint64_t quote;
  uint64_t backslash;
  memcpy(&word, at, sizeof word);
  quote = word ^ each * '"';
  backslash = word ^ each * '\\';
  return (((word - each * 0x20) | (quote - each) | (backslash - each) | word)
    & each * 0x80) == 0;
}

size_t plain_prefix(const char *text, size_t length) {
  size_t at = 0;
  while (length - at >= 8 && is_plain_word(text + at)) at += 8;
  if (length >= 8 && length - at < 8 && is_plain_word(text + length - 8)) {
    return length;
  }
  while (at < length && is_plain((unsigned char)text[at])) at++;
  return at;
}
