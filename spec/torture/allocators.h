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

/* Gives OpenSSL and libcurl their allocators. To be called before anything
 * else uses either; false when one of them refuses. */
bool allocators_install(void);

stock allocators_stock(void);

/* How many blocks the module gave back unwiped, since the last call. */
size_t allocators_unwiped(void);

/* As lua_Alloc; shrinking never fails. */
void *allocators_lua(void *context, void *block, size_t old, size_t size);

#endif
