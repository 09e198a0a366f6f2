/* Memory that may hold a secret: all of it is wiped before it is given back. */
#ifndef BYTENITE_MEMORY_H
#define BYTENITE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Allocates `size` zeroed bytes; NULL when memory is short. */
void *memory_alloc(size_t size);

/* Wipes and frees what memory_alloc gave; NULL is allowed. */
void memory_free(void *data, size_t size);

/* Makes room for `wanted` entries of `size` bytes, at least twice as many as
 * before, and keeps the first `count`; what is moved away from is wiped. The
 * array that is to be used from now on, or NULL when memory is short, and then
 * nothing has changed. */
void *memory_grow(
  void *entries, size_t count, size_t *capacity, size_t wanted, size_t size
);

/* Overwrites memory in a way that the compiler cannot leave out. */
void memory_wipe(void *data, size_t size);

/* Compares in a time that depends on the lengths alone. */
bool memory_equal(const void *a, size_t a_size, const void *b, size_t b_size);

/* Overwrites the dead stack below the caller, where TLS and copying code may
 * have left bytes of a secret. */
void memory_burn_stack(void);

#endif
