#include "bytes/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* In a page that the kernel fills with zeros in a forked child; NULL where it
 * does not offer that (Linux does from 4.14 on), and the process id serves. */
static atomic_long *generation;

/* The newest one that was given, also to the processes before this one. */
static atomic_long last = 1;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void) {
#ifdef MADV_WIPEONFORK
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *page = mmap(
    NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
  );
  if (page == MAP_FAILED) return;
  if (madvise(page, size, MADV_WIPEONFORK) != 0) {
    (void)munmap(page, size);
    return;
  }
  generation = page;
  atomic_store(generation, last);
#endif
}

/* The first to come in a child. Threads that come together agree on one. */
static long begin(void) {
  long none = 0;
  long next = atomic_fetch_add(&last, 1) + 1;
  (void)atomic_compare_exchange_strong(generation, &none, next);
  return atomic_load(generation);
}

long fork_generation(void) {
  long now;
  pthread_once(&once, start);
  if (generation == NULL) return getpid();
  now = atomic_load_explicit(generation, memory_order_relaxed);
  return now != 0 ? now : begin();
}
