#include "bytes/buffer.h"

#include <string.h>

#include "bytes/memory.h"

#define SMALLEST 256

void buffer_init(buffer *b, size_t limit) {
  memset(b, 0, sizeof *b);
  b->limit = limit;
}

static bool fail(buffer *b, buffer_state state) {
  b->state = state;
  return false;
}

/* At least what is needed, else twice what there is, within the limit. */
static size_t next_capacity(const buffer *b, size_t needed) {
  size_t next = b->capacity > b->limit / 2 ? b->limit : 2 * b->capacity;
  if (next < SMALLEST && b->limit >= SMALLEST) next = SMALLEST;
  return needed > next ? needed : next;
}

bool buffer_reserve(buffer *b, size_t more) {
  size_t capacity;
  char *data;
  if (b->state != BUFFER_OK) return false;
  if (more > b->limit - b->length) return fail(b, BUFFER_FULL);
  if (more <= b->capacity - b->length) return true;
  capacity = next_capacity(b, b->length + more);
  data = memory_alloc(capacity);
  if (data == NULL) return fail(b, BUFFER_MEMORY);
  if (b->length > 0) memcpy(data, b->data, b->length);
  memory_free(b->data, b->capacity);
  b->data = data;
  b->capacity = capacity;
  return true;
}

bool buffer_append(buffer *b, const char *data, size_t length) {
  bool fits = b->state == BUFFER_OK && length <= b->capacity - b->length;
  if (!fits && !buffer_reserve(b, length)) return false;
  if (length > 0) memcpy(b->data + b->length, data, length);
  b->length += length;
  return true;
}

void buffer_free(buffer *b) {
  memory_free(b->data, b->capacity);
  buffer_init(b, b->limit);
}
