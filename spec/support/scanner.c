/* The module `scanner` of the specs: looks for secrets, and for parts of them,
 * in a file such as /proc/PID/mem or a core dump. Errors are raised. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"

#define PAGE 4096
#define START_BITS 18
#define STARTS (1u << START_BITS)

/* Every run that counts holds a place, and all of its first four bytes. */
#define STRIDE 8
#define LEAST (STRIDE + 3)

/* A place in a pattern; there is one at every eighth byte. */
typedef struct place {
  int pattern;
  size_t offset;
  int next; /* another place that starts alike, or -1 */
} place;

typedef struct pattern {
  const char *bytes;
  size_t length;
} pattern;

/* All of it lives in userdata, so that errors may be raised anywhere. */
typedef struct search {
  int first[STARTS]; /* places by what they start with */
  pattern *patterns;
  place *places;
  size_t least;
} search;

/* A part of the file. */
typedef struct range {
  size_t number;
  size_t from;
  size_t size;
} range;

/* A number for the four bytes at a place, well spread. */
static uint32_t start_of(const char *bytes) {
  uint32_t start;
  memcpy(&start, bytes, sizeof start);
  return start * 2654435761u >> (32 - START_BITS);
}

static void add_places(search *s, int number, int *count) {
  const pattern *p = &s->patterns[number];
  size_t i;
  for (i = 0; i + sizeof(uint32_t) <= p->length; i += STRIDE) {
    uint32_t start = start_of(p->bytes + i);
    place *here = &s->places[*count];
    here->pattern = number;
    here->offset = i;
    here->next = s->first[start];
    s->first[start] = (*count)++;
  }
}

/* Reads the array of patterns at `index`. */
static search *push_search(lua_State *L, int index, size_t least) {
  int total = (int)lua_rawlen(L, index);
  size_t length = 0;
  int count = 0;
  int i;
  search *s = lua_newuserdatauv(L, sizeof *s, 0);
  memset(s->first, -1, sizeof s->first);
  s->least = least;
  s->patterns = lua_newuserdatauv(L, sizeof *s->patterns * (size_t)total, 0);
  for (i = 0; i < total; i++) {
    lua_rawgeti(L, index, i + 1);
    s->patterns[i].bytes = luaL_checklstring(L, -1, &s->patterns[i].length);
    length += s->patterns[i].length;
    lua_pop(L, 1); /* the array keeps it */
  }
  s->places = lua_newuserdatauv(L, sizeof *s->places * length, 0);
  for (i = 0; i < total; i++) add_places(s, i, &count);
  return s;
}

/* The run of bytes around `at` that are those of the pattern around this place:
 * its length, and in `*before` how many of them lie before it. 0 when there was
 * an earlier place in it, where it was told. */
static size_t run_around(
  const search *s, const place *here, const char *data, size_t at, size_t size,
  size_t *before
) {
  const pattern *p = &s->patterns[here->pattern];
  size_t left = 0;
  size_t right = 0;
  while (at + right < size && here->offset + right < p->length
      && data[at + right] == p->bytes[here->offset + right]) {
    right++;
  }
  while (left < STRIDE && left < at && left < here->offset
      && data[at - left - 1] == p->bytes[here->offset - left - 1]) {
    left++;
  }
  *before = left;
  return left == STRIDE ? 0 : left + right;
}

static void set_field(lua_State *L, const char *name, size_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static size_t get_field(lua_State *L, int index, const char *name) {
  size_t value;
  lua_getfield(L, index, name);
  value = (size_t)luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Adds to the array on top. */
static void add_found(
  lua_State *L, const range *r, const place *here, size_t at, size_t before,
  size_t length
) {
  lua_newtable(L);
  set_field(L, "range", r->number);
  set_field(L, "at", r->from + at - before);
  set_field(L, "length", length);
  set_field(L, "pattern", (size_t)here->pattern + 1);
  set_field(L, "offset", here->offset - before + 1);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
}

static void search_in(
  lua_State *L, const search *s, const range *r, const char *data
) {
  size_t at;
  for (at = 0; at + sizeof(uint32_t) <= r->size; at++) {
    int number = s->first[start_of(data + at)];
    for (; number >= 0; number = s->places[number].next) {
      const place *here = &s->places[number];
      size_t before;
      size_t run = run_around(s, here, data, at, r->size, &before);
      if (run >= s->least) add_found(L, r, here, at, before, run);
    }
  }
}

/* Pages that cannot be read are taken for zero. */
static void read_range(int fd, char *data, const range *r) {
  size_t done = 0;
  memset(data, 0, r->size);
  while (done < r->size) {
    off_t at = (off_t)(r->from + done);
    ssize_t got = pread(fd, data + done, r->size - done, at);
    if (got < 0 && errno == EINTR) continue;
    done += got > 0 ? (size_t)got : PAGE - (size_t)at % PAGE;
  }
}

static range get_range(lua_State *L, int ranges, int number) {
  range r;
  lua_rawgeti(L, ranges, number);
  r.number = (size_t)number;
  r.from = get_field(L, -1, "from");
  r.size = get_field(L, -1, "to") - r.from;
  lua_pop(L, 1);
  return r;
}

static char *push_room(lua_State *L, int ranges) {
  int count = (int)lua_rawlen(L, ranges);
  size_t largest = 0;
  int i;
  for (i = 1; i <= count; i++) {
    range r = get_range(L, ranges, i);
    if (r.size > largest) largest = r.size;
  }
  return lua_newuserdatauv(L, largest, 0);
}

/* find(path, ranges, patterns, least) -> array of { range, at, length, pattern,
 * offset }: every run of at least so many bytes of a pattern, at its longest,
 * in parts of a file, which are an array of { from, to }. */
static int scanner_find(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer least = luaL_checkinteger(L, 4);
  const search *s;
  char *data;
  int count;
  int fd;
  int i;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_argcheck(L, least >= LEAST && least < INT_MAX, 4, "11 or more expected");
  s = push_search(L, 3, (size_t)least);
  data = push_room(L, 2);
  count = (int)lua_rawlen(L, 2);
  lua_newtable(L);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return luaL_error(L, "%s: %s", path, strerror(errno));
  for (i = 1; i <= count; i++) {
    range r = get_range(L, 2, i);
    read_range(fd, data, &r);
    search_in(L, s, &r, data);
  }
  close(fd);
  return 1;
}

static const luaL_Reg functions[] = {
  {"find", scanner_find},
  {NULL, NULL},
};

COMPAT_EXPORT int luaopen_scanner(lua_State *L);

int luaopen_scanner(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
