/* The module `sabotage` of the specs: it makes the system misbehave, and plays
 * hosts that Lua alone cannot play. Preloaded (LD_PRELOAD) into a process of
 * its own it stands between libcurl and the C library; only the thread that
 * asked for a failure is hit by it. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "compat.h"

#define EXPORT __attribute__((visibility("default")))

/* --- system calls that fail --- */

static const char *const calls[] = {
  "socket", "connect", "send", "recv", "poll", "mlock", "madvise",
  NULL
};

enum { SOCKET, CONNECT, SEND, RECV, POLL, MLOCK, MADVISE };

static __thread int failing = -1; /* index of the call, or none */
static __thread long first;       /* which of them fails, from 1 */
static __thread long last;
static __thread long count;       /* how many there were */
static __thread int failure;      /* errno */
static __thread size_t slice;     /* most that send and recv move; 0: all */
static __thread double slice_wait; /* seconds before each send */
static __thread bool broken_pipes; /* send raises SIGPIPE */

static bool fails(int call) {
  if (call != failing) return false;
  count++;
  if (count < first || count > last) return false;
  errno = failure;
  return true;
}

static void sleep_for(double seconds) {
  struct timespec left;
  left.tv_sec = (time_t)seconds;
  left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
  while (nanosleep(&left, &left) < 0 && errno == EINTR) {
  }
}

/* The function that stands behind ours. */
#define NEXT(name) ((__typeof__(&name))(size_t)dlsym(RTLD_NEXT, #name))

EXPORT int socket(int domain, int type, int protocol) {
  if (fails(SOCKET)) return -1;
  return NEXT(socket)(domain, type, protocol);
}

/* The type is what glibc declares, a transparent union. */
EXPORT int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length) {
  if (fails(CONNECT)) return -1;
  return NEXT(connect)(fd, address, length);
}

EXPORT ssize_t send(int fd, const void *bytes, size_t length, int flags) {
  if (broken_pipes) {
    raise(SIGPIPE);
    errno = EPIPE;
    return -1;
  }
  if (fails(SEND)) return -1;
  if (slice > 0 && length > slice) length = slice;
  if (slice > 0) sleep_for(slice_wait);
  return NEXT(send)(fd, bytes, length, flags);
}

EXPORT ssize_t recv(int fd, void *bytes, size_t length, int flags) {
  if (fails(RECV)) return -1;
  if (slice > 0 && length > slice) length = slice;
  return NEXT(recv)(fd, bytes, length, flags);
}

EXPORT int poll(struct pollfd *sockets, nfds_t length, int timeout) {
  if (fails(POLL)) return -1;
  return NEXT(poll)(sockets, length, timeout);
}

EXPORT int mlock(const void *pages, size_t length) {
  if (fails(MLOCK)) return -1;
  return NEXT(mlock)(pages, length);
}

EXPORT int madvise(void *pages, size_t length, int advice) {
  if (fails(MADVISE)) return -1;
  return NEXT(madvise)(pages, length, advice);
}

/* fail(call, errno, first, last?): lets calls number first to last fail. */
static int sabotage_fail(lua_State *L) {
  failing = luaL_checkoption(L, 1, NULL, calls);
  failure = (int)luaL_checkinteger(L, 2);
  first = (long)luaL_checkinteger(L, 3);
  last = (long)luaL_optinteger(L, 4, first);
  count = 0;
  return 0;
}

/* stop() -> whether a call failed: from now on none does. */
static int sabotage_stop(lua_State *L) {
  lua_pushboolean(L, failing >= 0 && count >= first);
  failing = -1;
  slice = 0;
  broken_pipes = false;
  return 1;
}

/* break_pipes(): send finds every connection closed, and lets the kernel's
 * signal come, as libcurl before 7.88 sometimes does. */
static int sabotage_break_pipes(lua_State *L) {
  (void)L;
  broken_pipes = true;
  return 0;
}

/* slice(bytes, seconds?): send and recv move at most so much, and send waits
 * so long before it does. */
static int sabotage_slice(lua_State *L) {
  slice = (size_t)luaL_checkinteger(L, 1);
  slice_wait = luaL_optnumber(L, 2, 0);
  return 0;
}

/* --- names that do not resolve --- */

static const char *const resolvers[] = {
  "unknown", "again", "hang", "two", NULL
};

enum { UNKNOWN, AGAIN, HANG, TWO };

static int resolver;
static double hang_seconds;
static char first_address[64];

static bool is_ours(const char *name) {
  size_t length = name == NULL ? 0 : strlen(name);
  return length > 5 && strcmp(name + length - 5, ".test") == 0;
}

/* Names under .test are answered here; all others are left to the system. */
EXPORT int getaddrinfo(
  const char *name, const char *service, const struct addrinfo *hints,
  struct addrinfo **found
) {
  __typeof__(&getaddrinfo) next = NEXT(getaddrinfo);
  int code;
  if (!is_ours(name)) return next(name, service, hints, found);
  if (resolver == UNKNOWN) return EAI_NONAME;
  if (resolver == HANG) sleep_for(hang_seconds);
  if (resolver != TWO) return EAI_AGAIN;
  code = next(first_address, service, hints, found);
  if (code == 0) code = next("127.0.0.1", service, hints, &(*found)->ai_next);
  return code;
}

/* resolve("unknown" | "again")
 * resolve("hang", seconds)   then as "again"
 * resolve("two", address)    that one, then 127.0.0.1 */
static int sabotage_resolve(lua_State *L) {
  resolver = luaL_checkoption(L, 1, NULL, resolvers);
  if (resolver == HANG) hang_seconds = luaL_checknumber(L, 2);
  if (resolver == TWO) {
    strncpy(first_address, luaL_checkstring(L, 2), sizeof first_address - 1);
  }
  return 0;
}

/* --- a wall clock that jumps --- */

static time_t jump;       /* seconds */
static double jump_after; /* of the monotonic clock */

/* Without the C library: sanitizers ask before it can look up functions. */
static int system_clock(clockid_t id, struct timespec *now) {
  return (int)syscall(SYS_clock_gettime, id, now);
}

static time_t jump_now(void) {
  struct timespec now;
  if (jump == 0) return 0;
  system_clock(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9 < jump_after ? 0 : jump;
}

EXPORT int clock_gettime(clockid_t id, struct timespec *now) {
  int result = system_clock(id, now);
  if (result == 0 && id == CLOCK_REALTIME) now->tv_sec += jump_now();
  return result;
}

EXPORT int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

EXPORT time_t time(time_t *kept) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (kept != NULL) *kept = now.tv_sec;
  return now.tv_sec;
}

/* jump(seconds, delay): moves the wall clock once `delay` seconds are over. */
static int sabotage_jump(lua_State *L) {
  struct timespec now;
  lua_Number delay = luaL_checknumber(L, 2);
  jump = 0;
  clock_gettime(CLOCK_MONOTONIC, &now);
  jump_after = (double)now.tv_sec + (double)now.tv_nsec / 1e9 + delay;
  jump = (time_t)luaL_checkinteger(L, 1);
  return 0;
}

/* --- signals --- */

static volatile sig_atomic_t alarms;

static void count_alarm(int number) {
  (void)number;
  alarms = alarms < 1000000 ? alarms + 1 : alarms;
}

/* alarms(microseconds): SIGALRM so often, without SA_RESTART; 0 ends it.
 * -> how many came */
static int sabotage_alarms(lua_State *L) {
  struct sigaction action;
  struct itimerval timer;
  memset(&action, 0, sizeof action);
  memset(&timer, 0, sizeof timer);
  action.sa_handler = count_alarm;
  sigaction(SIGALRM, &action, NULL);
  timer.it_interval.tv_usec = (suseconds_t)luaL_checkinteger(L, 1);
  timer.it_value = timer.it_interval;
  setitimer(ITIMER_REAL, &timer, NULL);
  lua_pushinteger(L, alarms);
  return 1;
}

/* default_sigpipe(): luasocket ignores the signal, and so do those who start
 * processes. */
static int sabotage_default_sigpipe(lua_State *L) {
  (void)L;
  signal(SIGPIPE, SIG_DFL);
  return 0;
}

/* sigpipe() -> is it pending, is its action the default one, is it blocked */
static int sabotage_sigpipe(lua_State *L) {
  struct sigaction action;
  sigset_t pending;
  sigset_t mask;
  sigpending(&pending);
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  sigaction(SIGPIPE, NULL, &action);
  lua_pushboolean(L, sigismember(&pending, SIGPIPE) == 1);
  lua_pushboolean(L, action.sa_handler == SIG_DFL);
  lua_pushboolean(L, sigismember(&mask, SIGPIPE) == 1);
  return 3;
}

/* --- other Lua states --- */

static void *allocate(void *context, void *block, size_t old, size_t wanted) {
  if (wanted == 0) {
    free(block);
    return NULL;
  }
  if (*(bool *)context && (block == NULL || wanted > old)) return NULL;
  return realloc(block, wanted);
}

typedef struct host {
  const char *script;
  bool starve;        /* it gets no memory once the script has run */
  char problem[256];
} host;

static void *run_host(void *context) {
  host *h = context;
  bool refusing = false;
  lua_State *L = lua_newstate(allocate, &refusing);
  if (L == NULL) return NULL;
  luaL_openlibs(L);
  if (luaL_loadstring(L, h->script) != 0 || lua_pcall(L, 0, 0, 0) != 0) {
    const char *problem = lua_tostring(L, -1);
    strncpy(h->problem, problem == NULL ? "no message" : problem,
      sizeof h->problem - 1);
  }
  refusing = h->starve;
  lua_close(L);
  return NULL;
}

/* run(script, starve?) -> problem or nil: in a Lua state that is closed
 * afterwards, without memory for that if `starve`. */
static int sabotage_run(lua_State *L) {
  host h;
  memset(&h, 0, sizeof h);
  h.script = luaL_checkstring(L, 1);
  h.starve = lua_toboolean(L, 2);
  run_host(&h);
  if (*h.problem == '\0') return 0;
  lua_pushstring(L, h.problem);
  return 1;
}

/* The allocator of the state that gets no memory for a while. */
static __thread struct {
  lua_Alloc allocate;
  void *context;
} starved;

static void *refuse(void *context, void *block, size_t old, size_t wanted) {
  if (wanted > 0 && (block == NULL || wanted > old)) return NULL;
  return starved.allocate(context, block, old, wanted);
}

static int collect(lua_State *L) {
  lua_setallocf(L, refuse, starved.context);
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/* collect_starved(): collects garbage without memory, in a coroutine in which
 * Lua 5.2 to 5.4 need some to call a finalizer. 5.4 gives all these calls up,
 * the others the first. */
static int sabotage_collect_starved(lua_State *L) {
  lua_State *fresh = lua_newthread(L);
  starved.allocate = lua_getallocf(L, &starved.context);
  lua_pushcfunction(fresh, collect);
  (void)lua_pcall(fresh, 0, 0, 0); /* before 5.4 the error goes on */
  lua_setallocf(L, starved.allocate, starved.context);
  return 0;
}

/* Of the state whose allocations fail by number. */
static struct {
  lua_Alloc allocate;
  void *context;
  lua_Integer count;
  lua_Integer first;
  lua_Integer last;
} numbered;

static void *allocate_numbered(
  void *context, void *block, size_t old, size_t wanted
) {
  if (wanted > 0 && (block == NULL || wanted > old)) {
    numbered.count++;
    if (numbered.count >= numbered.first && numbered.count <= numbered.last) {
      return NULL;
    }
  }
  return numbered.allocate(context, block, old, wanted);
}

/* starve(first, last): from now on counts this state's allocations, and lets
 * number first to last fail. Not to be called twice. */
static int sabotage_starve(lua_State *L) {
  numbered.first = luaL_checkinteger(L, 1);
  numbered.last = luaL_checkinteger(L, 2);
  numbered.allocate = lua_getallocf(L, &numbered.context);
  lua_setallocf(L, allocate_numbered, numbered.context);
  return 0;
}

/* allocations() -> how many there were since starve */
static int sabotage_allocations(lua_State *L) {
  lua_pushinteger(L, numbered.count);
  return 1;
}

#define THREADS_MAX 16

/* threads(n, script) -> problem or nil: n of them at once, each with a state
 * of its own. */
static int sabotage_threads(lua_State *L) {
  static host hosts[THREADS_MAX];
  pthread_t threads[THREADS_MAX];
  int n = (int)luaL_checkinteger(L, 1);
  int i;
  luaL_argcheck(L, n > 0 && n <= THREADS_MAX, 1, "1 to 16 expected");
  memset(hosts, 0, sizeof hosts);
  for (i = 0; i < n; i++) {
    hosts[i].script = luaL_checkstring(L, 2);
    pthread_create(&threads[i], NULL, run_host, &hosts[i]);
  }
  for (i = 0; i < n; i++) pthread_join(threads[i], NULL);
  for (i = 0; i < n; i++) {
    if (*hosts[i].problem == '\0') continue;
    lua_pushstring(L, hosts[i].problem);
    return 1;
  }
  return 0;
}

/* --- the module --- */

static const luaL_Reg functions[] = {
  {"alarms", sabotage_alarms},
  {"allocations", sabotage_allocations},
  {"break_pipes", sabotage_break_pipes},
  {"collect_starved", sabotage_collect_starved},
  {"default_sigpipe", sabotage_default_sigpipe},
  {"fail", sabotage_fail},
  {"jump", sabotage_jump},
  {"resolve", sabotage_resolve},
  {"run", sabotage_run},
  {"sigpipe", sabotage_sigpipe},
  {"slice", sabotage_slice},
  {"starve", sabotage_starve},
  {"stop", sabotage_stop},
  {"threads", sabotage_threads},
  {NULL, NULL},
};

static const struct {
  const char *name;
  int value;
} errors[] = {
  {"EAGAIN", EAGAIN}, {"ECONNABORTED", ECONNABORTED},
  {"ECONNREFUSED", ECONNREFUSED}, {"ECONNRESET", ECONNRESET},
  {"EINTR", EINTR}, {"EMFILE", EMFILE}, {"ENETUNREACH", ENETUNREACH},
  {"ENOMEM", ENOMEM}, {"EPIPE", EPIPE}, {"ETIMEDOUT", ETIMEDOUT},
};

COMPAT_EXPORT int luaopen_sabotage(lua_State *L);

int luaopen_sabotage(lua_State *L) {
  size_t i;
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L);
  for (i = 0; i < sizeof errors / sizeof *errors; i++) {
    lua_pushinteger(L, errors[i].value);
    lua_setfield(L, -2, errors[i].name);
  }
  lua_setfield(L, -2, "errno");
  return 1;
}
