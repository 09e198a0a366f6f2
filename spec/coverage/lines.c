/* The module `lines` of `make coverage`: notes which lines under lua/ run, in
 * every thread and every process.
 *
 * LUA_INIT loads it into each Lua that starts; each state that a C module makes
 * gets its hook by __wrap_luaL_newstate. A line that has run is a byte that is
 * not zero, in a file for each source below the directory of COVERAGE_LINES.
 * All processes map these files, so nothing is lost when one of them is killed.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compat.h"

#define ROOT "@lua/"
#define LINES_MAX 4096
#define SOURCES_MAX 256
#define NAME_BYTES 128

typedef struct source {
  char name[NAME_BYTES]; /* as Lua tells it: "@lua/..." */
  unsigned char *ran;    /* by line, or NULL */
} source;

static source sources[SOURCES_MAX];
static atomic_int count;
static atomic_flag adding = ATOMIC_FLAG_INIT;

/* Maps the file of a source; slashes in its name become percent signs. */
static unsigned char *map_lines(const char *name) {
  const char *directory = getenv("COVERAGE_LINES");
  char path[1024];
  char *slash;
  void *bytes;
  int length, fd;
  if (directory == NULL) return NULL;
  length = snprintf(path, sizeof path, "%s/%s", directory, name + 1);
  if (length < 0 || (size_t)length >= sizeof path) return NULL;
  slash = path + strlen(directory) + 1;
  while ((slash = strchr(slash, '/')) != NULL) *slash = '%';
  fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return NULL;
  bytes = ftruncate(fd, LINES_MAX) < 0 ? MAP_FAILED
    : mmap(NULL, LINES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  (void)close(fd);
  return bytes == MAP_FAILED ? NULL : bytes;
}

/* Adds a source, unless another thread does so at this moment: waiting for it
 * could hang a process that was forked meanwhile. */
static source *add_source(const char *name) {
  source *s = NULL;
  int n;
  if (strlen(name) >= NAME_BYTES || atomic_flag_test_and_set(&adding)) {
    return NULL;
  }
  n = atomic_load(&count);
  if (n < SOURCES_MAX) {
    s = &sources[n];
    strcpy(s->name, name);
    s->ran = map_lines(name);
    atomic_store(&count, n + 1);
  }
  atomic_flag_clear(&adding);
  return s;
}

static source *find_source(const char *name) {
  int n = atomic_load(&count);
  int i;
  for (i = 0; i < n; i++) {
    if (strcmp(sources[i].name, name) == 0) return &sources[i];
  }
  return add_source(name);
}

static void note_line(lua_State *L, lua_Debug *ar) {
  source *s;
  (void)lua_getinfo(L, "S", ar);
  if (strncmp(ar->source, ROOT, sizeof ROOT - 1) != 0) return;
  if (ar->currentline < 0 || ar->currentline >= LINES_MAX) return;
  s = find_source(ar->source);
  if (s != NULL && s->ran != NULL) s->ran[ar->currentline] = 1;
}

/* Coroutines inherit the hook. */
static void watch(lua_State *L) {
  (void)lua_sethook(L, note_line, LUA_MASKLINE, 0);
}

lua_State *__real_luaL_newstate(void);
lua_State *__wrap_luaL_newstate(void);

lua_State *__wrap_luaL_newstate(void) {
  lua_State *L = __real_luaL_newstate();
  if (L != NULL) watch(L);
  return L;
}

/* debug.sethook, and back to this hook when there is no other any more. */
static int lines_sethook(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 0);
  if (lua_gethook(L) == NULL) watch(L);
  return 0;
}

COMPAT_EXPORT int luaopen_lines(lua_State *L);

int luaopen_lines(lua_State *L) {
  lua_getglobal(L, "debug");
  lua_getfield(L, -1, "sethook");
  lua_pushcclosure(L, lines_sethook, 1);
  lua_setfield(L, -2, "sethook");
  watch(L);
  return 0;
}
