/* The module `meter` of the benchmark: what it needs of the system to run a
 * program on one CPU and to see what that took. Errors are raised. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "compat.h"

static int check(lua_State *L, int result) {
  if (result < 0) luaL_error(L, "%s", strerror(errno));
  return result;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double used(const struct rusage *usage) {
  const struct timeval *user = &usage->ru_utime;
  const struct timeval *system = &usage->ru_stime;
  return (double)(user->tv_sec + system->tv_sec)
    + (double)(user->tv_usec + system->tv_usec) / 1e6;
}

/* cpu() -> seconds that this process has used, and the children it waited
 * for */
static int meter_cpu(lua_State *L) {
  struct rusage children;
  getrusage(RUSAGE_CHILDREN, &children);
  lua_pushnumber(L, seconds(CLOCK_PROCESS_CPUTIME_ID) + used(&children));
  return 1;
}

/* wall() -> seconds of a clock that only goes forward */
static int meter_wall(lua_State *L) {
  lua_pushnumber(L, seconds(CLOCK_MONOTONIC));
  return 1;
}

/* cpus() -> array of the CPUs that this process may run on */
static int meter_cpus(lua_State *L) {
  cpu_set_t set;
  int cpu;
  check(L, sched_getaffinity(0, sizeof set, &set));
  lua_newtable(L);
  for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET((size_t)cpu, &set)) continue;
    lua_pushinteger(L, cpu);
    lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* pin(cpu): this process and those it starts from now on run there only. */
static int meter_pin(lua_State *L) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)luaL_checkinteger(L, 1), &set);
  check(L, sched_setaffinity(0, sizeof set, &set));
  return 0;
}

/* wait(pid) -> exit status or minus the signal, CPU seconds, and the most KiB
 * that it had in memory */
static int meter_wait(lua_State *L) {
  int status;
  struct rusage usage;
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  while (wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) check(L, -1);
  }
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status)
    : -WTERMSIG(status));
  lua_pushnumber(L, used(&usage));
  lua_pushinteger(L, (lua_Integer)usage.ru_maxrss);
  return 3;
}

static const luaL_Reg functions[] = {
  {"cpu", meter_cpu},
  {"cpus", meter_cpus},
  {"pin", meter_pin},
  {"wait", meter_wait},
  {"wall", meter_wall},
  {NULL, NULL},
};

COMPAT_EXPORT int luaopen_meter(lua_State *L);

int luaopen_meter(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
