/* A program with a Lua state in each of its threads, which run credentials.lua:
 *
 *   cc program.c $(pkg-config --cflags --libs lua5.4) -pthread -o program
 *   ./program 4
 *
 * A program that links Lua statically has to export it to modules: -Wl,-E */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

/* Errors are tables that luaL_tolstring makes a line of. */
static int run_script(lua_State *L, lua_Integer number) {
  int status = luaL_loadfile(L, "credentials.lua");
  if (status == LUA_OK) {
    lua_pushinteger(L, number);
    status = lua_pcall(L, 1, 0, 0);
  }
  if (status != LUA_OK) {
    const char *text = luaL_tolstring(L, -1, NULL);
    fprintf(stderr, "thread %d: %s\n", (int)number, text);
  }
  return status;
}

static void *run_thread(void *argument) {
  lua_State *L = luaL_newstate();
  int status = LUA_ERRMEM;
  if (L != NULL) {
    luaL_openlibs(L);
    status = run_script(L, (lua_Integer)(intptr_t)argument);
    lua_close(L);
  }
  return (void *)(intptr_t)status;
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS_MAX];
  int count = argc > 1 ? atoi(argv[1]) : 1;
  int failures = 0;
  int i;
  if (count < 1 || count > THREADS_MAX) return EXIT_FAILURE;
  for (i = 0; i < count; i++) {
    void *number = (void *)(intptr_t)(i + 1);
    if (pthread_create(&threads[i], NULL, run_thread, number) != 0) abort();
  }
  for (i = 0; i < count; i++) {
    void *status;
    pthread_join(threads[i], &status);
    failures += status != NULL;
  }
  printf("%d of %d failed\n", failures, count);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
