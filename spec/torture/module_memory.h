/* What memory.c, secret.c, curl_memory.c and fork.c of the module get in place
 * of the C library's. */
#ifndef TORTURE_MODULE_MEMORY_H
#define TORTURE_MODULE_MEMORY_H

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

void *module_calloc(size_t count, size_t size);
void module_free(void *block);
void *module_mmap(
  void *at, size_t size, int protection, int flags, int fd, off_t offset
);
int module_munmap(void *pages, size_t size);
int module_mlock(const void *pages, size_t size);

void *libcurl_malloc(size_t size);
void *libcurl_calloc(size_t count, size_t size);
char *libcurl_strdup(const char *text);
void libcurl_free_wiped(void *block);
size_t libcurl_usable_size(void *block);

#endif
