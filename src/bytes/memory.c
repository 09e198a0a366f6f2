#include "bytes/memory.h"

#include <stdlib.h>
#include <string.h>

/* Twice as deep as dead frames of libcurl and OpenSSL reach, with handshakes
 * among them (measured: 8.5 KiB). */
#define STACK_TO_BURN (16 * 1024)

/* A call through a volatile pointer cannot be proven to be memset, so it is
 * never dropped as a dead store. */
static void *(*const volatile wipe)(void *, int, size_t) = memset;

void *memory_alloc(size_t size) {
  return calloc(1, size);
}

void memory_free(void *data, size_t size) {
  if (data == NULL) return;
  memory_wipe(data, size);
  free(data);
}

void *memory_grow(
  void *entries, size_t count, size_t *capacity, size_t wanted, size_t size
) {
  size_t room = wanted < 2 * *capacity ? 2 * *capacity : wanted;
  void *moved;
  if (wanted <= *capacity) return entries;
  moved = memory_alloc(room * size);
  if (moved == NULL) return NULL;
  if (count > 0) memcpy(moved, entries, count * size);
  memory_free(entries, *capacity * size);
  *capacity = room;
  return moved;
}

void memory_wipe(void *data, size_t size) {
  if (size > 0) wipe(data, 0, size);
}

bool memory_equal(const void *a, size_t a_size, const void *b, size_t b_size) {
  const unsigned char *left = a;
  const unsigned char *right = b;
  unsigned char difference = 0;
  size_t i;
  if (a_size != b_size) return false;
  for (i = 0; i < a_size; i++) difference |= left[i] ^ right[i];
  return difference == 0;
}

/* Vector registers hold what was copied or encrypted last until something saves
 * them to the stack: the dynamic linker does when it looks up a function. */
#ifdef __x86_64__

__attribute__((noinline, target("avx"))) static void wipe_avx(void) {
  __asm__ volatile("vzeroall" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
    "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
    "xmm14", "xmm15");
}

__attribute__((noinline, target("avx512f"))) static void wipe_avx512(void) {
  __asm__ volatile(".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "vpxord %%zmm\\n, %%zmm\\n, %%zmm\\n\n"
    ".endr" ::: "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
    "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",
    "xmm31");
}

static void wipe_registers(void) {
  if (__builtin_cpu_supports("avx")) wipe_avx();
  if (__builtin_cpu_supports("avx512f")) wipe_avx512();
}

#else

static void wipe_registers(void) {
}

#endif

__attribute__((noinline)) void memory_burn_stack(void) {
  char dead[STACK_TO_BURN];
  memory_wipe(dead, sizeof dead);
  wipe_registers();
}
