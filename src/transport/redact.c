#include "redact.h"

#include <string.h>

/* Shorter runs occur by chance in ordinary words. */
#define SHORTEST_PART 8

/* What is shorter than this occurs in ordinary words all over. */
#define SHORTEST_WORD 4

/* How many bytes at `text` stand somewhere in `secret`, at least `least`;
 * else 0. */
static size_t common_run(
  const char *text, size_t length, const char *secret, size_t secret_length,
  size_t least
) {
  size_t longest = 0;
  size_t start;
  for (start = 0; start + least <= secret_length; start++) {
    size_t run = 0;
    while (run < length && start + run < secret_length
        && text[run] == secret[start + run]) {
      run++;
    }
    if (run > longest) longest = run;
  }
  return longest >= least ? longest : 0;
}

void redact(
  char *text, size_t length, const char *secret, size_t secret_length
) {
  size_t least = secret_length < SHORTEST_PART ? secret_length : SHORTEST_PART;
  size_t at = 0;
  if (secret_length == 0) return;
  while (at < length) {
    size_t run = common_run(
      text + at, length - at, secret, secret_length, least
    );
    if (run > 0 && secret_length < SHORTEST_WORD) {
      memset(text, '*', length);
      return;
    }
    if (run > 0) memset(text + at, '*', run);
    at += run > 0 ? run : 1;
  }
}
