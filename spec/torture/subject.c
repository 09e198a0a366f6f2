#include "subject.h"

#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>

#include "allocators.h"
#include "syscalls.h"

#define STEPS 1 /* where the table of steps is on the stack */

/* For most runs no limit matters. Where a system call fails for ever, or
 * libcurl takes OpenSSL's lack of memory for a lack of bytes, nothing else ends
 * the call. */
#define SECONDS 5.0
#define SECONDS_WHERE_ENDLESS 0.1

int luaopen_bytenite_secrets_core(lua_State *L);

/* What is there before a run, and must be there after it. */
typedef struct baseline {
  stock stock;
  size_t descriptors;
} baseline;

static size_t count_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  size_t count = 0;
  if (directory == NULL) return 0;
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

static baseline take_baseline(void) {
  baseline now;
  now.stock = allocators_stock();
  now.descriptors = count_descriptors();
  return now;
}

static bool wrong(char problem[PROBLEM_MAX], const char *text) {
  snprintf(problem, PROBLEM_MAX, "%s", text);
  return false;
}

/* --- the Lua state --- */

static void set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

/* wait(fd, seconds) of a host whose loop is select(2). */
static int wait_readable(lua_State *L) {
  int fd = lua_isnil(L, 1) ? -1 : (int)lua_tointeger(L, 1);
  double seconds = lua_tonumber(L, 2);
  struct timeval patience = {(time_t)seconds, 0};
  fd_set readers;
  patience.tv_usec = (suseconds_t)((seconds - (double)patience.tv_sec) * 1e6);
  FD_ZERO(&readers);
  if (fd >= 0) FD_SET(fd, &readers);
  (void)select(fd + 1, &readers, NULL, NULL, &patience);
  return 0;
}

static void push_settings(
  lua_State *L, const subject *s, const fault_plan *plan
) {
  bool trusted = strcmp(s->operation, "untrusted") != 0;
  bool on_syscalls = plan != NULL && plan->class == FAULT_SYSCALL;
  bool harmless = on_syscalls && syscall_variants[plan->variant].error == 0;
  bool endless = plan != NULL && plan->mode >= FAULT_PERSISTENT
    && ((on_syscalls && !harmless) || plan->class == FAULT_OPENSSL);
  lua_newtable(L);
  set_text(L, "layer", s->layer);
  set_text(L, "operation", s->operation);
  set_text(L, "class",
    fault_class_names[plan == NULL ? FAULT_MODULE : plan->class]);
  set_text(L, "token", SERVER_TOKEN);
  set_text(L, "secret_key", SERVER_SECRET_KEY);
  lua_pushfstring(L, "https://127.0.0.1:%d", s->server.port);
  lua_setfield(L, -2, "url");
  lua_pushfstring(L, "%s/%s", s->certificates,
    trusted ? "ca.pem" : "other.pem");
  lua_setfield(L, -2, "ca_file");
  lua_pushboolean(L, s->reused);
  lua_setfield(L, -2, "reused");
  lua_pushboolean(L, harmless);
  lua_setfield(L, -2, "harmless");
  lua_pushnumber(L, endless ? SECONDS_WHERE_ENDLESS : SECONDS);
  lua_setfield(L, -2, "seconds");
  lua_pushcfunction(L, wait_readable);
  lua_setfield(L, -2, "wait");
}

/* Leaves the steps of the operation on the stack. */
static int open_state(lua_State *L) {
  const subject *s = lua_touserdata(L, 1);
  const fault_plan *plan = lua_touserdata(L, 2);
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/lua/?.lua", s->root);
  lua_setfield(L, -2, "path");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_bytenite_secrets_core);
  lua_setfield(L, -2, "bytenite.secrets.core");
  lua_pushfstring(L, "%s/spec/torture/operations.lua", s->root);
  if (luaL_loadfile(L, lua_tostring(L, -1)) != LUA_OK) lua_error(L);
  push_settings(L, s, plan);
  lua_call(L, 1, 1);
  return 1;
}

static lua_State *new_state(
  const subject *s, const fault_plan *plan, char problem[PROBLEM_MAX]
) {
  lua_State *L = lua_newstate(allocators_lua, NULL);
  if (L == NULL) {
    wrong(problem, "no Lua state");
    return NULL;
  }
  lua_pushcfunction(L, open_state);
  lua_pushlightuserdata(L, (void *)(size_t)s);
  lua_pushlightuserdata(L, (void *)(size_t)plan);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK) return L;
  wrong(problem, lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

/* A step that returns a problem or nothing. */
static bool take_step(
  lua_State *L, const char *name, char problem[PROBLEM_MAX]
) {
  bool fine;
  lua_getfield(L, STEPS, name);
  fine = lua_pcall(L, 0, 1, 0) == LUA_OK && lua_isnil(L, -1);
  if (!fine) wrong(problem, luaL_tolstring(L, -1, NULL));
  lua_settop(L, STEPS);
  return fine;
}

/* --- what the attempt claims --- */

typedef struct claim {
  outcome how;
  bool counted; /* whether it says how many requests left */
  long sends;
  bool unserved; /* it says that the server has done nothing */
} claim;

static outcome read_outcome(const char *word) {
  if (strcmp(word, "done") == 0) return OUTCOME_DONE;
  return strcmp(word, "failed") == 0 ? OUTCOME_FAILED : OUTCOME_RAISED;
}

/* What the attempt returned is on top of the stack: the text of an error, or
 * a value and a failure. */
static bool judge(
  lua_State *L, bool raised, claim *c, char problem[PROBLEM_MAX]
) {
  bool fine;
  if (!raised) {
    lua_pushnil(L);
    lua_insert(L, STEPS + 1);
  }
  lua_getfield(L, STEPS, "judge");
  lua_insert(L, STEPS + 1);
  fine = lua_pcall(L, lua_gettop(L) - STEPS - 1, 4, 0) == LUA_OK;
  if (!fine) return wrong(problem, luaL_tolstring(L, -1, NULL));
  fine = lua_isnil(L, -4) || wrong(problem, lua_tostring(L, -4));
  c->how = read_outcome(lua_tostring(L, -3));
  c->counted = lua_isinteger(L, -2);
  c->sends = (long)lua_tointeger(L, -2);
  c->unserved = lua_toboolean(L, -1);
  lua_settop(L, STEPS);
  return fine;
}

/* The operation while something fails. */
static bool attempt(
  lua_State *L, const fault_plan *plan, bool *reached, claim *c,
  char problem[PROBLEM_MAX]
) {
  int status;
  lua_getfield(L, STEPS, "attempt");
  if (plan != NULL) faults_arm(plan);
  status = lua_pcall(L, 0, 2, 0);
  faults_disarm();
  *reached = plan != NULL && faults_reached();
  if (lua_gettop(L) != STEPS + (status == LUA_OK ? 2 : 1)) {
    return wrong(problem, "the stack is out of balance");
  }
  return judge(L, status != LUA_OK, c, problem);
}

/* --- what the server knows --- */

static served kind_of(const char *operation) {
  if (strcmp(operation, "list") == 0) return SERVED_LIST;
  if (strcmp(operation, "authenticate") == 0) return SERVED_AUTHENTICATE;
  return strcmp(operation, "delete") == 0
    || strcmp(operation, "missing") == 0 ? SERVED_DELETE : SERVED_PUT;
}

/* How many requests it makes when nothing fails. */
static long request_count(const char *operation) {
  return strcmp(operation, "bulk") == 0 || strcmp(operation, "loop") == 0
    ? 3 : 1;
}

/* Requests of the attempt, and of the calls before and after it. */
typedef struct requests {
  long disturbed;
  long undisturbed;
} requests;

static requests count_requests(const subject *s) {
  served kind = kind_of(s->operation);
  requests now;
  now.disturbed = atomic_load(&s->server.tally->disturbed[kind]);
  now.undisturbed = atomic_load(&s->server.tally->undisturbed[kind]);
  return now;
}

static bool check_claim(
  const subject *s, const claim *c, const requests *before,
  char problem[PROBLEM_MAX]
) {
  requests now = count_requests(s);
  long count = now.disturbed - before->disturbed;
  long others = now.undisturbed - before->undisturbed;
  if (strcmp(s->operation, "untrusted") == 0) {
    return count + others == 0
      || wrong(problem, "a request went to a server of the wrong CA");
  }
  if (others != (s->reused ? 2 : 1) * request_count(s->operation)) {
    return wrong(problem, "undisturbed calls that the server did not get");
  }
  if (c->how == OUTCOME_DONE && count == 0) {
    return wrong(problem, "a success that the server knows nothing of");
  }
  if (c->unserved && count > 0) {
    return wrong(problem, "said not to be done, but the server has done it");
  }
  if (c->counted && count > c->sends) {
    return wrong(problem, "the server got more requests than were counted");
  }
  return true;
}

/* --- what is left --- */

static bool check_baseline(
  const baseline *before, char problem[PROBLEM_MAX]
) {
  baseline now = take_baseline();
  size_t unwiped = allocators_unwiped();
  if (memcmp(&now.stock, &before->stock, sizeof now.stock) != 0) {
    snprintf(problem, PROBLEM_MAX, "left: %ld bytes of Lua, %ld blocks of the "
      "module, %ld of libcurl",
      (long)(now.stock.lua_bytes - before->stock.lua_bytes),
      (long)(now.stock.module_blocks - before->stock.module_blocks),
      (long)(now.stock.libcurl_blocks - before->stock.libcurl_blocks));
    return false;
  }
  if (now.descriptors != before->descriptors) {
    return wrong(problem, "a descriptor is left open");
  }
  return unwiped == 0 || wrong(problem, "memory was given back unwiped");
}

/* --- one run --- */

/* Closes the state; in one mode memory is still short then. */
static void close_state(lua_State *L, const fault_plan *plan) {
  if (plan != NULL && plan->mode == FAULT_EXHAUSTED) {
    fault_plan still = *plan;
    still.first = 1;
    faults_arm(&still);
  }
  lua_close(L);
  faults_disarm();
}

/* In a state of its own, for the other was closed. */
static bool again_anew(
  const subject *s, const fault_plan *plan, char problem[PROBLEM_MAX]
) {
  lua_State *L = new_state(s, plan, problem);
  bool fine;
  if (L == NULL) return false;
  fine = take_step(L, "again", problem);
  lua_close(L);
  return fine;
}

bool subject_run(
  const subject *s, const fault_plan *plan, bool *reached, outcome *how,
  char problem[PROBLEM_MAX]
) {
  bool exhausted = plan != NULL && plan->mode == FAULT_EXHAUSTED;
  requests earlier = count_requests(s);
  baseline before = take_baseline();
  lua_State *L = new_state(s, plan, problem);
  claim c = {OUTCOME_RAISED, false, 0, false};
  bool fine;
  *reached = false;
  if (L == NULL) return false;
  fine = take_step(L, "prepare", problem)
    && attempt(L, plan, reached, &c, problem)
    && (exhausted || take_step(L, "again", problem));
  *how = c.how;
  close_state(L, plan);
  if (exhausted) fine = fine && again_anew(s, plan, problem);
  if (!server_settled(&s->server, syscalls_connections())) {
    return wrong(problem, "a connection is still open");
  }
  return fine && check_baseline(&before, problem)
    && check_claim(s, &c, &earlier, problem);
}
