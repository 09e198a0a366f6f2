/* Allocators that fail as planned and know how much they have given out. */
#ifndef TORTURE_ALLOCATORS_H
#define TORTURE_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>

/* What is given out at one moment. */
typedef struct stock {
  size_t lua_bytes;
  size_t module_blocks; /* mappings included */
  size_t libcurl_blocks;
} stock;

/* Bytes of a secret: memory that the module gives back must not hold them. */
void allocators_guard(const char *marker);

/* Gives OpenSSL its allocator, and libcurl one that does not wipe, as a host
 * does that initialises libcurl before the module; without `host_first` the
 * module gives it one that does. To be called before anything else uses either;
 * false when one of them refuses. */
bool allocators_install(bool host_first);

stock allocators_stock(void);

/* How many blocks the module gave back unwiped since the last call; libcurl's
 * count where the module wipes them. */
size_t allocators_unwiped(void);

/* As lua_Alloc; shrinking never fails. */
void *allocators_lua(void *context, void *block, size_t old, size_t size);

#endif
