#include "allocators.h"

#include <curl/curl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "module_memory.h"

#define MARKERS_MAX 4

static stock given;
static size_t unwiped;
static const char *markers[MARKERS_MAX];
static size_t marker_count;

void allocators_guard(const char *marker) {
  if (marker_count < MARKERS_MAX) markers[marker_count++] = marker;
}

stock allocators_stock(void) {
  return given;
}

size_t allocators_unwiped(void) {
  size_t count = unwiped;
  unwiped = 0;
  return count;
}

static bool is_wiped(const void *block, size_t size) {
  const char *bytes = block;
  size_t i;
  for (i = 0; i < size && bytes[i] == 0; i++) continue;
  return i == size;
}

/* --- Lua --- */

void *allocators_lua(void *context, void *block, size_t old, size_t size) {
  void *moved;
  (void)context;
  if (block == NULL) old = 0; /* it tells the type of the new object */
  if (size == 0) {
    free(block);
    given.lua_bytes -= old;
    return NULL;
  }
  if (size > old && fault_due(FAULT_LUA)) return NULL;
  moved = realloc(block, size);
  if (moved == NULL) return size <= old ? block : NULL;
  given.lua_bytes += size - old;
  return moved;
}

/* --- libcurl; see module_memory.h --- */

static void *libcurl_taken(void *block) {
  if (block != NULL) given.libcurl_blocks++;
  return block;
}

void *libcurl_malloc(size_t size) {
  return fault_due(FAULT_LIBCURL) ? NULL : libcurl_taken(malloc(size));
}

void *libcurl_calloc(size_t count, size_t size) {
  return fault_due(FAULT_LIBCURL) ? NULL : libcurl_taken(calloc(count, size));
}

char *libcurl_strdup(const char *text) {
  return fault_due(FAULT_LIBCURL) ? NULL : libcurl_taken(strdup(text));
}

static void *libcurl_realloc(void *block, size_t size) {
  if (fault_due(FAULT_LIBCURL)) return NULL;
  if (block == NULL) return libcurl_taken(malloc(size));
  return realloc(block, size);
}

static void libcurl_free(void *block) {
  if (block != NULL) given.libcurl_blocks--;
  free(block);
}

size_t libcurl_usable_size(void *block) {
  return malloc_usable_size(block);
}

void libcurl_free_wiped(void *block) {
  if (!is_wiped(block, malloc_usable_size(block))) unwiped++;
  libcurl_free(block);
}

/* --- OpenSSL --- */

static void *openssl_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return fault_due(FAULT_OPENSSL) ? NULL : malloc(size);
}

static void *openssl_realloc(
  void *block, size_t size, const char *file, int line
) {
  (void)file;
  (void)line;
  return fault_due(FAULT_OPENSSL) ? NULL : realloc(block, size);
}

static void openssl_free(void *block, const char *file, int line) {
  (void)file;
  (void)line;
  free(block);
}

bool allocators_install(bool host_first) {
  return CRYPTO_set_mem_functions(
      openssl_malloc, openssl_realloc, openssl_free) == 1
    && (!host_first || curl_global_init_mem(CURL_GLOBAL_DEFAULT,
      libcurl_malloc, libcurl_free, libcurl_realloc, libcurl_strdup,
      libcurl_calloc) == CURLE_OK);
}

/* --- the module; see module_memory.h --- */

/* In front of a block: how large it is. As large as any alignment. */
typedef union block_head {
  size_t size;
  max_align_t alignment;
} block_head;

void *module_calloc(size_t count, size_t size) {
  block_head *head;
  if (fault_due(FAULT_MODULE)) return NULL;
  head = calloc(1, sizeof *head + count * size);
  if (head == NULL) return NULL;
  head->size = count * size;
  given.module_blocks++;
  return head + 1;
}

void module_free(void *block) {
  block_head *head = block;
  if (block == NULL) return;
  head--;
  if (!is_wiped(block, head->size)) unwiped++;
  given.module_blocks--;
  free(head);
}

void *module_mmap(
  void *at, size_t size, int protection, int flags, int fd, off_t offset
) {
  void *pages;
  if (fault_due(FAULT_MODULE)) return MAP_FAILED;
  pages = mmap(at, size, protection, flags, fd, offset);
  if (pages != MAP_FAILED) given.module_blocks++;
  return pages;
}

int module_munmap(void *pages, size_t size) {
  size_t i;
  for (i = 0; i < marker_count; i++) {
    if (memmem(pages, size, markers[i], strlen(markers[i])) != NULL) unwiped++;
  }
  given.module_blocks--;
  return munmap(pages, size);
}

int module_mlock(const void *pages, size_t size) {
  return fault_due(FAULT_MODULE) ? -1 : mlock(pages, size);
}
