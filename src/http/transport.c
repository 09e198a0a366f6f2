#include "http/transport.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "bytes/fork.h"
#include "bytes/memory.h"
#include "http/exchange.h"
#include "http/model.h"
#include "http/sigpipe.h"

#ifndef CURL_IGNORE_DEPRECATION
#define CURL_IGNORE_DEPRECATION(statements) statements
#endif

#define NEVER (-1)

/* How long what waits is left alone. */
#define STALL_MS 1000

/* How late libcurl may end a transfer. */
#define GRACE_MS 10

/* As many as libcurl ever watches for one transfer. */
#define SOCKETS_EACH 5

int64_t transport_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what libcurl asks us to watch --- */

static struct pollfd *find_socket(transport *t, curl_socket_t fd) {
  size_t i;
  for (i = 0; i < t->socket_count; i++) {
    if (t->sockets[i].fd == fd) return &t->sockets[i];
  }
  return NULL;
}

static bool room_for_sockets(transport *t, size_t wanted) {
  struct pollfd *sockets;
  if (wanted <= t->socket_capacity) return true;
  sockets = memory_grow(
    t->sockets, t->socket_count, &t->socket_capacity, wanted, sizeof *sockets
  );
  if (sockets == NULL) return false;
  t->sockets = sockets;
  return true;
}

static short poll_events(int what) {
  short events = 0;
  if (what & CURL_POLL_IN) events |= POLLIN;
  if (what & CURL_POLL_OUT) events |= POLLOUT;
  return events;
}

static int watch_socket(
  CURL *easy, curl_socket_t fd, int what, void *context, void *unused
) {
  transport *t = context;
  struct pollfd *entry = find_socket(t, fd);
  (void)easy;
  (void)unused;
  if (what == CURL_POLL_REMOVE) {
    if (entry != NULL) *entry = t->sockets[--t->socket_count];
    (void)wakeup_watch(t->wakeup, fd, 0);
    return 0;
  }
  if (entry == NULL) {
    if (!room_for_sockets(t, t->socket_count + 1)) return -1;
    entry = &t->sockets[t->socket_count++];
    entry->fd = fd;
    entry->revents = 0;
  }
  entry->events = poll_events(what);
  return wakeup_watch(t->wakeup, fd, entry->events) ? 0 : -1;
}

static int set_timer(CURLM *multi, long ms, void *context) {
  transport *t = context;
  (void)multi;
  t->timer = ms < 0 ? NEVER : transport_now() + ms;
  return 0;
}

/* --- opening --- */

static bool set_up_multi(transport *t) {
#if LIBCURL_VERSION_NUM >= 0x081400
  curl_multi_setopt(t->multi, CURLMOPT_QUICK_EXIT, 1L);
#endif
  return curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, watch_socket)
      == CURLM_OK
    && curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t) == CURLM_OK
    && curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, set_timer)
      == CURLM_OK
    && curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t) == CURLM_OK
    && curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING)
      == CURLM_OK
    && curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, t->max_connections)
      == CURLM_OK;
}

static bool open_multi(transport *t) {
  t->timer = NEVER;
  t->overdue = INT64_MAX;
  t->broken = false;
  if (!wakeup_renew(t->wakeup)) return false;
  t->multi = curl_multi_init();
  if (t->multi == NULL) return false;
  if (set_up_multi(t)) {
    t->owner = fork_generation();
    return true;
  }
  curl_multi_cleanup(t->multi);
  t->multi = NULL;
  return false;
}

static void clean_up(CURL **idle, size_t *count) {
  while (*count > 0) curl_easy_cleanup(idle[--*count]);
}

/* Stops what is under way. In a forked child the handles are left alone, for
 * they and their connections are the parent's. */
static void close_multi(transport *t) {
  sigpipe_guard guard;
  while (t->exchanges != NULL) {
    exchange_stop(t->exchanges, EXCHANGE_CANCELLED);
  }
  if (t->owner == fork_generation()) {
    sigpipe_block(&guard, t->libcurl);
    clean_up(t->idle_get, &t->idle_gets);
    clean_up(t->idle_delete, &t->idle_deletes);
    curl_multi_cleanup(t->multi);
    sigpipe_restore(&guard);
  }
  t->multi = NULL;
  connections_free(&t->connections);
  t->idle_gets = 0;
  t->idle_deletes = 0;
  t->socket_count = 0;
}

const char *transport_open(
  transport *t, const transport_settings *settings, const char **option
) {
  const char *problem;
  t->libcurl = curl_version_info(CURLVERSION_NOW)->version_num;
  *option = "base_url";
  problem = base_url_parse(&t->base, settings->base_url, settings->allow_http);
  if (problem != NULL) return problem;
  *option = NULL;
  problem = easy_model(t, settings, option);
  if (problem != NULL) return problem;
  t->max_connections = settings->max_connections;
  t->wakeup = wakeup_new();
  if (t->wakeup == NULL) return "memory is short";
  if (settings->pollable && !wakeup_open(t->wakeup)) {
    *option = "wait";
    return "gets no descriptor for an event loop: the process has too many, "
      "or this system has no epoll";
  }
  return open_multi(t) ? NULL : "memory is short";
}

bool transport_enter(transport *t, bool *forked) {
  *forked = t->owner != fork_generation();
  if (*forked || t->broken) close_multi(t);
  return t->multi != NULL || open_multi(t);
}

bool transport_make_room(transport *t) {
  return room_for_sockets(t, t->exchange_count * SOCKETS_EACH)
    && connections_make_room(&t->connections, t->exchange_count);
}

/* --- driving --- */

static int action_bits(short revents) {
  int bits = 0;
  if (revents & POLLIN) bits |= CURL_CSELECT_IN;
  if (revents & POLLOUT) bits |= CURL_CSELECT_OUT;
  if (revents & (POLLERR | POLLHUP | POLLNVAL)) {
    bits |= CURL_CSELECT_IN | CURL_CSELECT_ERR;
  }
  return bits;
}

/* libcurl may add and remove sockets while it handles one; what is passed over
 * for that reason is still ready at the next poll. */
static CURLMcode run_sockets(transport *t) {
  CURLMcode code = CURLM_OK;
  size_t i;
  int running;
  for (i = 0; i < t->socket_count && code == CURLM_OK; i++) {
    struct pollfd ready = t->sockets[i];
    if (ready.revents == 0) continue;
    t->sockets[i].revents = 0;
    code = curl_multi_socket_action(
      t->multi, ready.fd, action_bits(ready.revents), &running
    );
  }
  return code;
}

static bool is_due(const transport *t, int64_t now) {
  return t->timer != NEVER && t->timer <= now;
}

static CURLMcode run_timer(transport *t) {
  int running;
  t->timer = NEVER;
  return curl_multi_socket_action(
    t->multi, CURL_SOCKET_TIMEOUT, 0, &running
  );
}

/* libcurl 7.88 sets no timer for the next address of a host whose first one of
 * the same family is silent, so that what waits is looked at now and then. */
static CURLMcode run_stalled(transport *t) {
  CURLMcode code;
  int running;
  CURL_IGNORE_DEPRECATION(code = curl_multi_socket_all(t->multi, &running);)
  return code;
}

static void collect_finished(transport *t) {
  const CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(t->multi, &left)) != NULL) {
    char *owner = NULL;
    CURLcode code = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    exchange_finish((exchange *)(void *)owner, code);
  }
}

void transport_expect(transport *t, int64_t end) {
  if (end + GRACE_MS < t->overdue) t->overdue = end + GRACE_MS;
}

/* libcurl forgets the end of a transfer's time when something moves within the
 * last millisecond before it, and when nothing moves later, nothing ends it. */
static CURLMcode run_overdue(transport *t, int64_t now) {
  const exchange *x;
  CURLMcode code = run_stalled(t);
  t->overdue = INT64_MAX;
  for (x = t->exchanges; x != NULL; x = x->next) {
    transport_expect(t, x->ends > now ? x->ends : now);
  }
  return code;
}

static int time_to_wait(const transport *t, long ms) {
  int64_t next = t->overdue;
  int64_t left = ms;
  if (t->timer != NEVER && t->timer < next) next = t->timer;
  if (next != INT64_MAX && next - transport_now() < left) {
    left = next - transport_now();
  }
  if (left < 0) left = 0;
  return left > INT_MAX ? INT_MAX : (int)left;
}

/* A multi handle that failed moves nothing any more. */
static void give_up(transport *t) {
  t->broken = true;
  while (t->exchanges != NULL) {
    t->exchanges->code = CURLE_RECV_ERROR;
    exchange_stop(t->exchanges, EXCHANGE_BROKEN);
  }
}

static CURLMcode run(transport *t, int ready) {
  CURLMcode code = CURLM_OK;
  int64_t now = transport_now();
  bool due = is_due(t, now);
  if (ready > 0) code = run_sockets(t);
  if (code == CURLM_OK && is_due(t, now)) code = run_timer(t);
  if (code == CURLM_OK && now >= t->overdue) {
    t->moved = now;
    code = run_overdue(t, now);
  } else if (ready > 0 || due) {
    t->moved = now;
  } else if (now - t->moved >= STALL_MS && t->exchanges != NULL) {
    t->moved = now;
    code = run_stalled(t);
  }
  return code;
}

/* While libcurl has something to do at once, sockets are only looked at when
 * nobody else waits for them: an event loop does. */
transport_event transport_wait(transport *t, long ms) {
  int timeout = time_to_wait(t, ms);
  int ready = 0;
  CURLMcode code;
  sigpipe_guard guard;
  if (timeout > 0 || (ms == 0 && t->socket_count > 0)) {
    ready = poll(t->sockets, (nfds_t)t->socket_count, timeout);
    if (ready < 0 && errno == EINTR) return TRANSPORT_INTERRUPTED;
  }
  sigpipe_block(&guard, t->libcurl);
  code = ready < 0 ? CURLM_INTERNAL_ERROR : run(t, ready);
  collect_finished(t);
  sigpipe_restore(&guard);
  if (code == CURLM_OK) return TRANSPORT_PROGRESS;
  give_up(t);
  return TRANSPORT_FAILED;
}

long transport_patience(const transport *t) {
  wakeup_look(t->wakeup, transport_now());
  if (t->wakeup->finished > 0) return 0;
  return time_to_wait(t, STALL_MS);
}

/* --- closing --- */

void transport_close(transport *t) {
  close_multi(t);
  wakeup_release(t->wakeup);
  curl_easy_cleanup(t->model);
  memory_free(t->sockets, t->socket_capacity * sizeof *t->sockets);
  base_url_free(&t->base);
  buffer_free(&t->agent);
  ca_store_free(&t->ca);
  memset(t, 0, sizeof *t);
}
