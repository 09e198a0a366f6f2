#include "http/curl_memory.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <malloc.h>
#else
#define malloc_usable_size(block) ((void)(block), (size_t)0)
#endif

#include "bytes/memory.h"

#define VARIABLE "BYTENITE_SECRETS_SCRUB"

/* How often libcurl has called our strdup. */
static atomic_uint duplicated;

static curl_scrubbing wanted;

/* --- the allocator --- */

static void scrub_free(void *block) {
  if (block == NULL) return;
  memory_wipe(block, malloc_usable_size(block));
  free(block);
}

/* Always moves, so that nothing is left behind the end of a smaller block. */
static void *scrub_realloc(void *block, size_t size) {
  void *moved = malloc(size);
  size_t kept;
  if (moved == NULL || block == NULL) return moved;
  kept = malloc_usable_size(block);
  memcpy(moved, block, kept < size ? kept : size);
  scrub_free(block);
  return moved;
}

static char *scrub_strdup(const char *text) {
  atomic_fetch_add_explicit(&duplicated, 1, memory_order_relaxed);
  return strdup(text);
}

/* --- whether it can be used, and is --- */

static bool is_switched_off(void) {
  const char *value = getenv(VARIABLE);
  return value != NULL && strcmp(value, "0") == 0;
}

/* A malloc that was put in the place of the C library's may have left
 * malloc_usable_size behind, which would then misread its blocks. */
static bool knows_sizes(void) {
#ifdef __linux__
  Dl_info allocator;
  Dl_info measure;
  return dladdr((void *)(size_t)malloc, &allocator) != 0
    && dladdr((void *)(size_t)malloc_usable_size, &measure) != 0
    && allocator.dli_fbase == measure.dli_fbase;
#else
  return false;
#endif
}

CURLcode curl_memory_start(void) {
  if (is_switched_off()) {
    wanted = SCRUBBING_SWITCHED_OFF;
  } else if (!knows_sizes()) {
    wanted = SCRUBBING_UNSUPPORTED;
  }
  if (wanted != SCRUBBING_IN_FORCE) {
    return curl_global_init(CURL_GLOBAL_DEFAULT);
  }
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT,
    malloc, scrub_free, scrub_realloc, scrub_strdup, calloc);
}

curl_scrubbing curl_memory_scrubbing(void) {
  unsigned before = atomic_load(&duplicated);
  if (wanted != SCRUBBING_IN_FORCE) return wanted;
  curl_slist_free_all(curl_slist_append(NULL, "probe"));
  return atomic_load(&duplicated) != before
    ? SCRUBBING_IN_FORCE : SCRUBBING_TOO_LATE;
}
