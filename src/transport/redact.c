#include "redact.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "memory.h"

/* Shorter runs occur by chance in ordinary words. */
#define SHORTEST_PART 8

/* What is shorter than this occurs in ordinary words all over. */
#define SHORTEST_WORD 4

#define PAIRS 1024

/* How many bytes at `text` stand somewhere in `secret`; 0 when fewer than a
 * part. */
static size_t common_run(
  const char *text, size_t length, const char *secret, size_t secret_length
) {
  size_t longest = 0;
  size_t start;
  for (start = 0; start + SHORTEST_PART <= secret_length; start++) {
    size_t run = 0;
    while (run < length && start + run < secret_length
        && text[run] == secret[start + run]) {
      run++;
    }
    if (run > longest) longest = run;
  }
  return longest >= SHORTEST_PART ? longest : 0;
}

/* Which pairs of neighbouring bytes a secret has, by a hash of the pair. Most
 * places of most texts are told from a secret by one look at it. */
typedef struct pairs {
  uint64_t words[PAIRS / 64];
} pairs;

static unsigned hash_of_pair(const char *at) {
  unsigned first = (unsigned char)at[0];
  unsigned second = (unsigned char)at[1];
  return (first * 37 + second) % PAIRS;
}

static bool has_pair(const pairs *p, const char *at) {
  unsigned hash = hash_of_pair(at);
  return (p->words[hash / 64] >> hash % 64 & 1) != 0;
}

static void note_pairs(pairs *p, const char *secret, size_t length) {
  size_t i;
  memset(p, 0, sizeof *p);
  for (i = 0; i + 1 < length; i++) {
    unsigned hash = hash_of_pair(secret + i);
    p->words[hash / 64] |= (uint64_t)1 << hash % 64;
  }
}

/* Where from `at` on a part of 8 bytes may begin, or the length. A pair that
 * the secret does not have rules out all parts that it lies in. */
static size_t next_candidate(
  const pairs *p, const char *text, size_t length, size_t at
) {
  while (at + SHORTEST_PART <= length) {
    if (has_pair(p, text + at + SHORTEST_PART - 2)) return at;
    at += SHORTEST_PART - 1;
  }
  return length;
}

static void redact_parts(
  char *text, size_t length, const char *secret, size_t secret_length
) {
  pairs p;
  size_t at;
  note_pairs(&p, secret, secret_length);
  at = next_candidate(&p, text, length, 0);
  while (at < length) {
    size_t run = common_run(text + at, length - at, secret, secret_length);
    memset(text + at, '*', run);
    at = next_candidate(&p, text, length, at + (run > 0 ? run : 1));
  }
  memory_wipe(&p, sizeof p);
}

/* A secret that has no parts of that length is looked for as a whole. */
static void redact_whole(
  char *text, size_t length, const char *secret, size_t secret_length
) {
  size_t at = 0;
  while (at + secret_length <= length) {
    if (memcmp(text + at, secret, secret_length) != 0) {
      at++;
      continue;
    }
    if (secret_length < SHORTEST_WORD) {
      memset(text, '*', length);
      return;
    }
    memset(text + at, '*', secret_length);
    at += secret_length;
  }
}

void redact(
  char *text, size_t length, const char *secret, size_t secret_length
) {
  if (secret_length >= SHORTEST_PART) {
    if (length < SHORTEST_PART) return;
    redact_parts(text, length, secret, secret_length);
  } else if (secret_length > 0) {
    redact_whole(text, length, secret, secret_length);
  }
}
