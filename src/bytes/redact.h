/* Keeps credentials out of text that a server sent and a person will read. */
#ifndef BYTENITE_REDACT_H
#define BYTENITE_REDACT_H

#include <stddef.h>

/* Overwrites with asterisks, in place, each whole copy of `secret` in `text`
 * and each part of 8 bytes or more that the two have in common. A text with a
 * secret of less than 4 bytes in it is overwritten as a whole, for the places
 * alone would show the secret. */
void redact(
  char *text, size_t length, const char *secret, size_t secret_length
);

#endif
