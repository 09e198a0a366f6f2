#include "bytes/redact.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Shorter runs occur by chance in ordinary words. */
#define PART 8

/* What is shorter than this occurs in ordinary words all over. */
#define SHORTEST_WORD 4

/* How many parts of a text are looked for at a time. */
#define PARTS_MAX 1024
#define SLOTS_MAX (2 * PARTS_MAX)

/* The parts that begin in a piece of text, by their hash. What is found in the
 * secret is taken out, so that the time depends on the lengths alone. */
typedef struct parts {
  char *text;
  size_t count;
  size_t slots;                /* a power of two, over `count` */
  uint16_t first[SLOTS_MAX];   /* by hash: 1 + the place of a part; 0 if none */
  uint16_t next[PARTS_MAX];    /* by place: the next one with the same hash */
  bool shared[PARTS_MAX + PART]; /* by place: bytes that the secret has too */
} parts;

static uint64_t part_at(const char *at) {
  uint64_t part;
  memcpy(&part, at, sizeof part);
  return part;
}

static size_t slot_of(const parts *p, uint64_t part) {
  return (size_t)(part * UINT64_C(0x9E3779B97F4A7C15) >> 48) & (p->slots - 1);
}

static void note_parts(parts *p) {
  size_t i;
  p->slots = PART;
  while (p->slots <= p->count) p->slots *= 2;
  memset(p->first, 0, p->slots * sizeof *p->first);
  memset(p->shared + PART, 0, p->count);
  for (i = 0; i < p->count; i++) {
    uint16_t *slot = &p->first[slot_of(p, part_at(p->text + i))];
    p->next[i] = *slot;
    *slot = (uint16_t)(i + 1);
  }
}

/* Takes out all places of this part of the secret. */
static void find_part(parts *p, uint64_t part) {
  uint16_t *link = &p->first[slot_of(p, part)];
  while (*link != 0) {
    size_t place = *link - 1u;
    if (part_at(p->text + place) == part) {
      memset(p->shared + place, true, PART);
      *link = p->next[place];
    } else {
      link = &p->next[place];
    }
  }
}

static void overwrite(const parts *p, size_t length) {
  size_t i;
  for (i = 0; i < length; i++) {
    if (p->shared[i]) p->text[i] = '*';
  }
}

/* Piece by piece. What the parts of one share reaches into the next. */
static void redact_text(
  char *text, size_t length, const char *secret, size_t secret_length
) {
  size_t left = length - PART + 1;
  parts p;
  memset(p.shared, 0, PART);
  for (p.text = text; left > 0; p.text += p.count) {
    size_t i;
    p.count = left < PARTS_MAX ? left : PARTS_MAX;
    note_parts(&p);
    for (i = 0; i + PART <= secret_length; i++) {
      find_part(&p, part_at(secret + i));
    }
    overwrite(&p, p.count);
    memmove(p.shared, p.shared + p.count, PART);
    left -= p.count;
  }
  overwrite(&p, PART - 1);
}

/* A secret that is shorter than a part is looked for as a whole. */
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
  if (secret_length >= PART) {
    if (length >= PART) redact_text(text, length, secret, secret_length);
  } else if (secret_length > 0) {
    redact_whole(text, length, secret, secret_length);
  }
}
