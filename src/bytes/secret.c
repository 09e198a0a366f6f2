#include "bytes/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bytes/fork.h"
#include "bytes/memory.h"

static size_t whole_pages(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (size + page - 1) / page * page;
}

static bool keep_from_dumps(secret *s) {
#ifdef MADV_DONTDUMP
  return madvise(s, s->mapped, MADV_DONTDUMP) == 0;
#else
  (void)s;
  return false;
#endif
}

secret *secret_new(size_t capacity) {
  size_t mapped = whole_pages(sizeof(secret) + capacity + 1);
  secret *s = mmap(
    NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
  );
  if (s == MAP_FAILED) return NULL;
  s->capacity = capacity;
  s->mapped = mapped;
  s->undumped = keep_from_dumps(s);
  s->references = 1;
  (void)secret_lock(s);
  return s;
}

secret *secret_from(const char *bytes, size_t length) {
  secret *s = secret_new(length);
  if (s == NULL) return NULL;
  memcpy(s->bytes, bytes, length);
  s->length = length;
  return s;
}

secret *secret_retain(secret *s) {
  s->references++;
  return s;
}

void secret_release(secret *s) {
  if (s == NULL || --s->references > 0) return;
  secret_wipe(s);
  (void)munmap(s, s->mapped);
}

void secret_wipe(secret *s) {
  memory_wipe(s->bytes, s->capacity);
  s->length = 0;
}

bool secret_lock(secret *s) {
  long self = fork_generation();
  if (s->owner != self) {
    s->owner = self;
    s->locked = mlock(s, s->mapped) == 0;
  }
  return s->locked;
}

secret_protection secret_try(void) {
  secret *s = secret_new(0);
  secret_protection found = {false, false};
  if (s == NULL) return found;
  found.locked = s->locked;
  found.undumped = s->undumped;
  secret_release(s);
  return found;
}
