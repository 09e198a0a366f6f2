/* A growing run of bytes, born with its maximum and wiped on every move. */
#ifndef BYTENITE_BUFFER_H
#define BYTENITE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef enum buffer_state {
  BUFFER_OK,
  BUFFER_FULL,  /* more was appended than `limit` allows */
  BUFFER_MEMORY /* memory was short */
} buffer_state;

typedef struct buffer {
  char *data;
  size_t length;
  size_t capacity;
  size_t limit;
  buffer_state state; /* the first failure; later appends do nothing */
} buffer;

/* Makes an empty buffer; takes no memory. */
void buffer_init(buffer *b, size_t limit);

/* Makes room for `more` bytes at once; false sets `state`. */
bool buffer_reserve(buffer *b, size_t more);

/* Appends bytes; false once `state` is not BUFFER_OK. */
bool buffer_append(buffer *b, const char *data, size_t length);

/* Appends a C string; the compiler counts the bytes of most of them. */
static inline bool buffer_text(buffer *b, const char *text) {
  return buffer_append(b, text, strlen(text));
}

/* Wipes and frees; the buffer is empty and usable again. */
void buffer_free(buffer *b);

#endif
