/* The module `process` of the specs: what they need of POSIX and Lua does not
 * have. Errors are raised. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
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

#define WORDS_MAX 32

/* The arguments as the words of a command. */
static void read_words(lua_State *L, char *words[WORDS_MAX]) {
  int count = lua_gettop(L);
  int i;
  luaL_argcheck(L, count >= 1 && count < WORDS_MAX, 1,
    "1 to 31 words expected");
  for (i = 0; i < count; i++) {
    words[i] = (char *)(size_t)luaL_checkstring(L, i + 1);
  }
  words[count] = NULL;
}

/* spawn(program, arguments...) -> pid, fd: runs a program; fd reads what it
 * writes to standard output. */
static int process_spawn(lua_State *L) {
  char *words[WORDS_MAX];
  int ends[2];
  pid_t pid;
  read_words(L, words);
  check(L, pipe2(ends, O_CLOEXEC));
  pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    execvp(words[0], words);
    _exit(127);
  }
  close(ends[1]);
  lua_pushinteger(L, check(L, pid));
  lua_pushinteger(L, ends[0]);
  return 2;
}

/* converse(program, arguments...) -> pid, fd, fd: as spawn, and what is written
 * to the second descriptor comes to its standard input. */
static int process_converse(lua_State *L) {
  int input[2];
  int before;
  check(L, pipe2(input, O_CLOEXEC));
  before = check(L, fcntl(0, F_DUPFD_CLOEXEC, 3));
  dup2(input[0], 0);
  close(input[0]);
  process_spawn(L);
  dup2(before, 0);
  close(before);
  lua_pushinteger(L, input[1]);
  return 3;
}

/* spawn_on_terminal(program, arguments...) -> pid, fd: runs a program that has
 * a new terminal; fd is the side of its screen and keyboard. Reading and
 * writing there never wait. */
static int process_spawn_on_terminal(lua_State *L) {
  char *words[WORDS_MAX];
  int fd;
  pid_t pid;
  read_words(L, words);
  pid = check(L, forkpty(&fd, NULL, NULL, NULL));
  if (pid == 0) {
    execvp(words[0], words);
    _exit(127);
  }
  check(L, fcntl(fd, F_SETFD, FD_CLOEXEC));
  check(L, fcntl(fd, F_SETFL, O_NONBLOCK));
  lua_pushinteger(L, pid);
  lua_pushinteger(L, fd);
  return 2;
}

/* echoes(fd): whether a terminal shows what is typed. */
static int process_echoes(lua_State *L) {
  struct termios settings;
  check(L, tcgetattr((int)luaL_checkinteger(L, 1), &settings));
  lua_pushboolean(L, (settings.c_lflag & ECHO) != 0);
  return 1;
}

/* wait(pid, seconds?) -> exit status, or minus the signal that ended it; nil
 * when it still runs after so many seconds */
static int process_wait(lua_State *L) {
  const struct timespec pause = {0, 10000000};
  int status;
  int limited = !lua_isnoneornil(L, 2);
  int left = limited ? (int)(luaL_checknumber(L, 2) * 100) : 0;
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  pid_t ended;
  do {
    ended = waitpid(pid, &status, limited ? WNOHANG : 0);
    if (ended < 0 && errno != EINTR) check(L, -1);
    if (ended == 0) nanosleep(&pause, NULL);
  } while (ended < 0 || (ended == 0 && left-- > 0));
  if (ended == 0) return 0;
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

/* ready(fd, seconds, write?): whether there is something to read, or the end,
 * or room to write, before the time is up. */
static int process_ready(lua_State *L) {
  struct pollfd file = {(int)luaL_checkinteger(L, 1), POLLIN, 0};
  int ms = (int)(luaL_checknumber(L, 2) * 1000);
  if (lua_toboolean(L, 3)) file.events = POLLOUT;
  lua_pushboolean(L, check(L, poll(&file, 1, ms)) > 0);
  return 1;
}

/* redirect(fd, path): from now on it is that file, emptied unless fd is 0. */
static int process_redirect(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  int flags = fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  int opened = check(L, open(luaL_checkstring(L, 2), flags, 0600));
  check(L, dup2(opened, fd));
  close(opened);
  return 0;
}

/* read(fd) -> what is there, at most 64 KiB; "" at the end */
static int process_read(lua_State *L) {
  char bytes[65536];
  ssize_t got = read((int)luaL_checkinteger(L, 1), bytes, sizeof bytes);
  if (got < 0 && errno == EIO) got = 0; /* a terminal that nobody has open */
  check(L, (int)got);
  lua_pushlstring(L, bytes, (size_t)got);
  return 1;
}

/* write(fd, text) -> bytes written */
static int process_write(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  int written = (int)write((int)luaL_checkinteger(L, 1), text, length);
  lua_pushinteger(L, check(L, written));
  return 1;
}

/* close(fd) */
static int process_close(lua_State *L) {
  check(L, close((int)luaL_checkinteger(L, 1)));
  return 0;
}

static const luaL_Reg functions[] = {
  {"close", process_close},
  {"converse", process_converse},
  {"echoes", process_echoes},
  {"exit", process_exit},
  {"fork", process_fork},
  {"kill", process_kill},
  {"pid", process_pid},
  {"pipe", process_pipe},
  {"read", process_read},
  {"ready", process_ready},
  {"redirect", process_redirect},
  {"setenv", process_setenv},
  {"spawn", process_spawn},
  {"spawn_on_terminal", process_spawn_on_terminal},
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
