/* The module `process` of the specs: what they need of POSIX and Lua does not
 * have. Errors are raised. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"

static int check(lua_State *L, int result) {
  if (result < 0) luaL_error(L, "%s", strerror(errno));
  return result;
}

/* setenv(name, value?): removes the variable when there is no value. */
static int process_setenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const char *value = luaL_optstring(L, 2, NULL);
  check(L, value == NULL ? unsetenv(name) : setenv(name, value, 1));
  return 0;
}

/* fork() -> pid, 0 in the child */
static int process_fork(lua_State *L) {
  lua_pushinteger(L, check(L, fork()));
  return 1;
}

/* spawn(program, arguments...) -> pid, fd: runs a program; fd reads what it
 * writes to standard output. */
static int process_spawn(lua_State *L) {
  int count = lua_gettop(L);
  char *arguments[32];
  int ends[2];
  int i;
  pid_t pid;
  luaL_argcheck(L, count >= 1 && count < 32, 1, "1 to 31 words expected");
  for (i = 0; i < count; i++) {
    arguments[i] = (char *)(size_t)luaL_checkstring(L, i + 1);
  }
  arguments[count] = NULL;
  check(L, pipe2(ends, O_CLOEXEC));
  pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    execvp(arguments[0], arguments);
    _exit(127);
  }
  close(ends[1]);
  lua_pushinteger(L, check(L, pid));
  lua_pushinteger(L, ends[0]);
  return 2;
}

/* wait(pid) -> exit status, or minus the signal that ended it */
static int process_wait(lua_State *L) {
  int status;
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) check(L, -1);
  }
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status)
    : -WTERMSIG(status));
  return 1;
}

/* kill(pid, signal) */
static int process_kill(lua_State *L) {
  check(L, kill((pid_t)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2)));
  return 0;
}

/* pid() */
static int process_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* exit(status): at once, without finalizers or exit handlers */
static int process_exit(lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
}

/* pipe() -> fd to read, fd to write */
static int process_pipe(lua_State *L) {
  int ends[2];
  check(L, pipe2(ends, O_CLOEXEC));
  lua_pushinteger(L, ends[0]);
  lua_pushinteger(L, ends[1]);
  return 2;
}

/* read(fd) -> what is there, at most 64 KiB; "" at the end */
static int process_read(lua_State *L) {
  char bytes[65536];
  int fd = (int)luaL_checkinteger(L, 1);
  int got = check(L, (int)read(fd, bytes, sizeof bytes));
  lua_pushlstring(L, bytes, (size_t)got);
  return 1;
}

/* write(fd, text) */
static int process_write(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  check(L, (int)write((int)luaL_checkinteger(L, 1), text, length));
  return 0;
}

/* close(fd) */
static int process_close(lua_State *L) {
  check(L, close((int)luaL_checkinteger(L, 1)));
  return 0;
}

static const luaL_Reg functions[] = {
  {"close", process_close},
  {"exit", process_exit},
  {"fork", process_fork},
  {"kill", process_kill},
  {"pid", process_pid},
  {"pipe", process_pipe},
  {"read", process_read},
  {"setenv", process_setenv},
  {"spawn", process_spawn},
  {"wait", process_wait},
  {"write", process_write},
  {NULL, NULL},
};

COMPAT_EXPORT int luaopen_process(lua_State *L);

int luaopen_process(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
