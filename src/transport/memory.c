#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* Dead frames of libcurl and the TLS library reach this deep (measured). */
#define STACK_TO_BURN (32 * 1024)

/* A call through a volatile pointer cannot be proven to be memset, so it is
 * never dropped as a dead store. */
static void *(*const volatile wipe)(void *, int, size_t) = memset;

void *memory_alloc(size_t size) {
  return calloc(1, size);
}

void memory_free(void *data, size_t size) {
  if (data == NULL) return;
  memory_wipe(data, size);
  free(data);
}

void *memory_grow(
  void *entries, size_t count, size_t *capacity, size_t wanted, size_t size
) {
  size_t room = wanted < 2 * *capacity ? 2 * *capacity : wanted;
  void *moved;
  if (wanted <= *capacity) return entries;
  moved = memory_alloc(room * size);
  if (moved == NULL) return NULL;
  if (count > 0) memcpy(moved, entries, count * size);
  memory_free(entries, *capacity * size);
  *capacity = room;
  return moved;
}

void memory_wipe(void *data, size_t size) {
  if (size > 0) wipe(data, 0, size);
}

bool memory_equal(const void *a, size_t a_size, const void *b, size_t b_size) {
  const unsigned char *left = a;
  const unsigned char *right = b;
  unsigned char difference = 0;
  size_t i;
  if (a_size != b_size) return false;
  for (i = 0; i < a_size; i++) difference |= left[i] ^ right[i];
  return difference == 0;
}

__attribute__((noinline)) void memory_burn_stack(void) {
  char dead[STACK_TO_BURN];
  memory_wipe(dead, sizeof dead);
}
