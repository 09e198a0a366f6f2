/* What the fuzz targets share: checks, pages that the sanitizers can see, and
 * a Lua state with the core in it. Each target includes this once. */
#ifndef BYTENITE_FUZZ_H
#define BYTENITE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes/buffer.h"
#include "bytes/secret.h"
#include "compat.h"
#include "core/json_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int luaopen_bytenite_secrets_core(lua_State *L);

/* --- checks --- */

/* A condition that does not hold is a finding. */
#define check(condition) \
  ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))

static inline void fuzz_failed(
  const char *file, int line, const char *condition
) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  abort();
}

/* Whether `part` stands somewhere in `text`. */
static inline bool fuzz_contains(
  const char *text, size_t length, const char *part, size_t part_length
) {
  return part_length <= length
    && memmem(text, length, part, part_length) != NULL;
}

/* A copy that ends where its memory ends, so that reading on is seen. */
static inline char *fuzz_copy(const uint8_t *data, size_t size) {
  char *copy = malloc(size > 0 ? size : 1);
  check(copy != NULL);
  if (size > 0) memcpy(copy, data, size);
  return copy;
}

/* --- the pages of secret.c: heap here, where leaks and late uses show --- */

void *fuzz_mmap(
  void *place, size_t size, int protection, int flags, int fd, long offset
);
int fuzz_munmap(void *pages, size_t size);
int fuzz_madvise(void *pages, size_t size, int advice);
int fuzz_mlock(const void *pages, size_t size);

void *fuzz_mmap(
  void *place, size_t size, int protection, int flags, int fd, long offset
) {
  (void)place;
  (void)protection;
  (void)flags;
  (void)fd;
  (void)offset;
  return calloc(1, size);
}

int fuzz_munmap(void *pages, size_t size) {
  const char *bytes = pages;
  size_t i;
  /* Behind the header everything was wiped. */
  for (i = sizeof(secret); i < size; i++) check(bytes[i] == 0);
  free(pages);
  return 0;
}

int fuzz_madvise(void *pages, size_t size, int advice) {
  (void)pages;
  (void)size;
  (void)advice;
  return 0;
}

int fuzz_mlock(const void *pages, size_t size) {
  (void)pages;
  (void)size;
  return 0;
}

/* --- Lua --- */

/* The state, made at the first call. An error that nobody catches is a
 * finding, for Lua aborts. */
static inline lua_State *fuzz_lua(void) {
  static lua_State *L;
  if (L == NULL) {
    L = luaL_newstate();
    check(L != NULL);
    luaL_openlibs(L);
    luaL_requiref(
      L, "bytenite.secrets.core", luaopen_bytenite_secrets_core, 0
    );
    lua_settop(L, 0);
  }
  return L;
}

/* Leaves the state as the next input expects it. */
static inline void fuzz_lua_end(lua_State *L) {
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
}

/* What json_decode marks strings with. It is random, so that nobody can send
 * it; but libFuzzer sees every memcmp and learns it. */
static inline const char *fuzz_mark(lua_State *L) {
  static char mark[33];
  if (mark[0] == '\0') {
    json_report report;
    buffer text;
    buffer_init(&text, 2);
    buffer_text(&text, "[]");
    check(json_decode(L, &text, &report) == JSON_VALID);
    memcpy(mark, lua_tostring(L, -1), sizeof mark - 1);
    lua_pop(L, 1);
  }
  return mark;
}

/* Whether the input is one that only libFuzzer could have made. */
static inline bool fuzz_knows_mark(const char *text, size_t length) {
  return fuzz_contains(text, length, fuzz_mark(fuzz_lua()), 32);
}

/* Decodes by lua-cjson alone; pushes the value, or returns false. */
static inline bool fuzz_cjson(lua_State *L, const char *text, size_t length) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cjson");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "decode");
  lua_remove(L, -2);
  lua_pushlstring(L, text, length);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

#endif
