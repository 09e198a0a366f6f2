#include "http/drive.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bytes/clock.h"
#include "bytes/memory.h"

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

/* --- what libcurl asks us to watch --- */

static struct pollfd *find_socket(drive *d, curl_socket_t fd) {
  size_t i;
  for (i = 0; i < d->socket_count; i++) {
    if (d->sockets[i].fd == fd) return &d->sockets[i];
  }
  return NULL;
}

static bool room_for_sockets(drive *d, size_t wanted) {
  struct pollfd *sockets;
  if (wanted <= d->socket_capacity) return true;
  sockets = memory_grow(
    d->sockets, d->socket_count, &d->socket_capacity, wanted, sizeof *sockets
  );
  if (sockets == NULL) return false;
  d->sockets = sockets;
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
  drive *d = context;
  struct pollfd *entry = find_socket(d, fd);
  (void)easy;
  (void)unused;
  if (what == CURL_POLL_REMOVE) {
    if (entry != NULL) *entry = d->sockets[--d->socket_count];
    (void)poller_watch(&d->wakeup->poller, fd, 0);
    return 0;
  }
  if (entry == NULL) {
    if (!room_for_sockets(d, d->socket_count + 1)) return -1;
    entry = &d->sockets[d->socket_count++];
    entry->fd = fd;
    entry->revents = 0;
  }
  entry->events = poll_events(what);
  return poller_watch(&d->wakeup->poller, fd, entry->events) ? 0 : -1;
}

static int set_timer(CURLM *multi, long ms, void *context) {
  drive *d = context;
  (void)multi;
  d->timer_at = ms < 0 ? NEVER : clock_now() + ms;
  return 0;
}

bool drive_attach(drive *d, CURLM *multi, wakeup *w) {
  d->multi = multi;
  d->wakeup = w;
  d->timer_at = NEVER;
  d->next_end_at = INT64_MAX;
  return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket)
      == CURLM_OK
    && curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, d) == CURLM_OK
    && curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK
    && curl_multi_setopt(multi, CURLMOPT_TIMERDATA, d) == CURLM_OK;
}

void drive_detach(drive *d) {
  d->multi = NULL;
  d->socket_count = 0;
}

bool drive_make_room(drive *d, size_t transfers) {
  return room_for_sockets(d, transfers * SOCKETS_EACH);
}

/* --- running --- */

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
static CURLMcode run_sockets(drive *d) {
  CURLMcode code = CURLM_OK;
  size_t i;
  int running;
  for (i = 0; i < d->socket_count && code == CURLM_OK; i++) {
    struct pollfd ready = d->sockets[i];
    if (ready.revents == 0) continue;
    d->sockets[i].revents = 0;
    code = curl_multi_socket_action(
      d->multi, ready.fd, action_bits(ready.revents), &running
    );
  }
  return code;
}

static bool is_due(const drive *d, int64_t now) {
  return d->timer_at != NEVER && d->timer_at <= now;
}

static CURLMcode run_timer(drive *d) {
  int running;
  d->timer_at = NEVER;
  return curl_multi_socket_action(
    d->multi, CURL_SOCKET_TIMEOUT, 0, &running
  );
}

/* libcurl 7.88 sets no timer for the next address of a host whose first one of
 * the same family is silent, so that what waits is looked at now and then. */
static CURLMcode run_stalled(drive *d) {
  CURLMcode code;
  int running;
  CURL_IGNORE_DEPRECATION(code = curl_multi_socket_all(d->multi, &running);)
  return code;
}

void drive_expect(drive *d, int64_t end) {
  if (end + GRACE_MS < d->next_end_at) d->next_end_at = end + GRACE_MS;
}

bool drive_forgot_ends(const drive *d) {
  return d->next_end_at == INT64_MAX;
}

/* libcurl forgets the end of a transfer's time when something moves within the
 * last millisecond before it, and when nothing moves later, nothing ends it. */
static CURLMcode run_overdue(drive *d) {
  d->next_end_at = INT64_MAX;
  return run_stalled(d);
}

int drive_time(const drive *d, long ms) {
  int64_t next = d->next_end_at;
  int64_t left = ms;
  if (d->timer_at != NEVER && d->timer_at < next) next = d->timer_at;
  if (next != INT64_MAX && next - clock_now() < left) {
    left = next - clock_now();
  }
  if (left < 0) left = 0;
  return left > INT_MAX ? INT_MAX : (int)left;
}

/* While libcurl has something to do at once, sockets are only looked at when
 * nobody else waits for them: an event loop does. */
int drive_poll(drive *d, long ms) {
  int timeout = drive_time(d, ms);
  int ready;
  if (timeout == 0 && (ms != 0 || d->socket_count == 0)) return 0;
  ready = poll(d->sockets, (nfds_t)d->socket_count, timeout);
  if (ready >= 0) return ready;
  return errno == EINTR ? DRIVE_INTERRUPTED : DRIVE_FAILED;
}

bool drive_run(drive *d, int ready, bool busy) {
  CURLMcode code = CURLM_OK;
  int64_t now = clock_now();
  bool due = is_due(d, now);
  if (ready > 0) code = run_sockets(d);
  if (code == CURLM_OK && is_due(d, now)) code = run_timer(d);
  if (code == CURLM_OK && now >= d->next_end_at) {
    d->last_run_at = now;
    code = run_overdue(d);
  } else if (ready > 0 || due) {
    d->last_run_at = now;
  } else if (busy && now - d->last_run_at >= STALL_MS) {
    d->last_run_at = now;
    code = run_stalled(d);
  }
  return code == CURLM_OK;
}

void drive_free(drive *d) {
  memory_free(d->sockets, d->socket_capacity * sizeof *d->sockets);
  memset(d, 0, sizeof *d);
}
