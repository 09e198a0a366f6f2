/* The torture harness: lets every point at which memory or a system call can
 * fail do so, one run for each, and looks at what becomes of the operation.
 *
 *   torture ROOT CERTIFICATES LAYER OPERATION fresh|reused STRIDE
 *
 * STRIDE: of OpenSSL's points, which are many, one in so many is tried. Writes
 * a line for each class and mode: layer, operation, connection, class, mode,
 * points tried, successes, failures, errors raised, problems. */
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocators.h"
#include "http/curl_memory.h"
#include "subject.h"
#include "syscalls.h"

#define PROBLEMS_SHOWN 3
#define PROBLEMS_MAX 20 /* then the rest of the points is left out */
#define RUN_SECONDS_MAX 60

/* Of a build with LeakSanitizer. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

typedef struct figures {
  long points;
  long outcomes[OUTCOMES];
  long problems;
} figures;

static subject tested;
static char current[256]; /* the run under way, for the watchdog */

static void report_hang(int number) {
  (void)number;
  (void)!write(STDERR_FILENO, current, strlen(current));
  (void)!write(STDERR_FILENO, ": hangs\n", 8);
  _exit(3);
}

static void name_run(const fault_plan *plan) {
  snprintf(current, sizeof current, "%s %s %s: %s %s%s%s at %ld",
    tested.layer, tested.operation, tested.reused ? "reused" : "fresh",
    fault_class_names[plan->class], fault_mode_names[plan->mode],
    plan->variant >= 0 ? " " : "",
    plan->variant >= 0 ? syscall_variants[plan->variant].name : "",
    plan->first);
}

/* One run; false when the point does not exist. */
static bool try_point(const fault_plan *plan, figures *f) {
  char problem[PROBLEM_MAX];
  bool reached;
  outcome how = OUTCOME_RAISED;
  bool fine;
  name_run(plan);
  alarm(RUN_SECONDS_MAX);
  fine = subject_run(&tested, plan, &reached, &how, problem);
  alarm(0);
  if (!fine && f->problems++ < PROBLEMS_SHOWN) {
    fprintf(stderr, "%s: %s\n", current, problem);
  }
  if (!reached) return false;
  f->points++;
  f->outcomes[how]++;
  return f->problems < PROBLEMS_MAX;
}

static void try_points(fault_plan *plan, long stride, figures *f) {
  plan->first = 1;
  while (try_point(plan, f)) plan->first += stride;
}

static void check_leaks(figures *f) {
  if (__lsan_do_recoverable_leak_check == NULL) return;
  if (__lsan_do_recoverable_leak_check() != 0) f->problems++;
}

static void try_syscalls(fault_plan *plan, figures *f) {
  int i;
  for (i = 0; i < syscall_variant_count; i++) {
    plan->variant = i;
    /* No signal interrupts every call for ever. */
    plan->alternate = syscall_variants[i].error == EINTR;
    try_points(plan, 1, f);
  }
}

/* All points of a class in a mode. */
static void try_mode(fault_class class, fault_mode mode, long stride) {
  fault_plan plan = {class, mode, 1, -1, false};
  figures f = {0};
  if (class == FAULT_SYSCALL) {
    try_syscalls(&plan, &f);
  } else {
    try_points(&plan, class == FAULT_OPENSSL ? stride : 1, &f);
  }
  check_leaks(&f);
  printf("%s %s %s %s %s %ld %ld %ld %ld %ld\n", tested.layer,
    tested.operation, tested.reused ? "reused" : "fresh",
    fault_class_names[class], fault_mode_names[mode], f.points,
    f.outcomes[OUTCOME_DONE], f.outcomes[OUTCOME_FAILED],
    f.outcomes[OUTCOME_RAISED], f.problems);
  fflush(stdout);
}

/* Lua collects its garbage and tries again before it gives up, so that a
 * single failure is none. */
static bool is_useless(fault_class class, fault_mode mode) {
  return class == FAULT_LUA && mode == FAULT_TRANSIENT;
}

/* Twice, for what is made only once in a process and kept. */
static bool warm_up(void) {
  char problem[PROBLEM_MAX];
  bool reached;
  outcome how;
  subject_run(&tested, NULL, &reached, &how, problem);
  if (subject_run(&tested, NULL, &reached, &how, problem)) return true;
  fprintf(stderr, "undisturbed: %s\n", problem);
  return false;
}

/* Keeps lua-cjson loaded when the states that use it are closed, so that
 * LeakSanitizer can name it. */
static bool pin_cjson(void) {
  lua_State *L = luaL_newstate();
  bool pinned;
  if (L == NULL) return false;
  luaL_openlibs(L);
  pinned = luaL_dostring(
      L, "return assert(package.searchpath('cjson', package.cpath))") == LUA_OK
    && dlopen(lua_tostring(L, -1), RTLD_NOW | RTLD_NODELETE) != NULL;
  if (!pinned) fprintf(stderr, "lua-cjson is missing\n");
  lua_close(L);
  return pinned;
}

/* In one half of the processes the host initialises libcurl, in the other half
 * the module does. */
static bool is_scrubbing(bool expected) {
  if ((curl_memory_scrubbing() == SCRUBBING_IN_FORCE) == expected) return true;
  fprintf(stderr, "libcurl has another allocator than expected\n");
  return false;
}

int main(int count, char **words) {
  int class;
  int mode;
  long stride;
  if (count != 7) return 2;
  tested.root = words[1];
  tested.certificates = words[2];
  tested.layer = words[3];
  tested.operation = words[4];
  tested.reused = strcmp(words[5], "reused") == 0;
  stride = strtol(words[6], NULL, 10);
  signal(SIGALRM, report_hang);
  allocators_guard(SERVER_SECRET_KEY);
  allocators_guard(SERVER_TOKEN);
  if (
    !allocators_install(tested.reused) || !pin_cjson()
    || !server_start(&tested.server, tested.certificates) || !warm_up()
    || !is_scrubbing(!tested.reused)
  ) {
    return 2;
  }
  for (class = 0; class < FAULT_CLASSES; class++) {
    for (mode = 0; mode < FAULT_MODES; mode++) {
      if (!is_useless(class, mode)) try_mode(class, mode, stride);
    }
  }
  return 0;
}
