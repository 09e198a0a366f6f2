#include "http/transport.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "bytes/clock.h"
#include "bytes/fork.h"
#include "http/sigpipe.h"

/* An event loop comes back after this long, whatever happens. */
#define PATIENCE_MS 1000

/* --- opening --- */

static bool set_up_multi(transport *t) {
#if LIBCURL_VERSION_NUM >= 0x081400
  curl_multi_setopt(t->multi, CURLMOPT_QUICK_EXIT, 1L);
#endif
  return drive_attach(&t->drive, t->multi, t->wakeup)
    && curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING)
      == CURLM_OK
    && curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, t->max_connections)
      == CURLM_OK;
}

static bool open_multi(transport *t) {
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
  drive_detach(&t->drive);
  return false;
}

/* Stops what is under way. In a forked child the handles are left alone, for
 * they and their connections are the parent's. */
static void close_multi(transport *t) {
  sigpipe_guard guard;
  while (t->exchanges != NULL) {
    transport_stop(t->exchanges, EXCHANGE_CANCELLED);
  }
  if (t->owner == fork_generation()) {
    sigpipe_block(&guard, t->model.libcurl);
    handles_free(&t->handles);
    curl_multi_cleanup(t->multi);
    sigpipe_restore(&guard);
  }
  t->multi = NULL;
  connections_free(&t->model.connections);
  handles_forget(&t->handles);
  drive_detach(&t->drive);
}

const char *transport_open(
  transport *t, const http_settings *settings, const char **option
) {
  const char *problem = model_open(&t->model, settings, option);
  if (problem != NULL) return problem;
  if (!exchange_set_callbacks(t->model.easy)) return MODEL_REFUSED;
  t->max_connections = settings->max_connections;
  t->wakeup = wakeup_new();
  if (t->wakeup == NULL) return "memory is short";
  if (settings->pollable && !wakeup_open(t->wakeup)) {
    *option = "wait";
    return "gets no descriptor for an event loop: the process has too many, "
      "or this system offers no such descriptor";
  }
  return open_multi(t) ? NULL : "memory is short";
}

bool transport_enter(transport *t, bool *forked) {
  *forked = t->owner != fork_generation();
  if (*forked || t->broken) close_multi(t);
  return t->multi != NULL || open_multi(t);
}

/* --- exchanges --- */

static void enlist(transport *t, exchange *x) {
  x->transport = t;
  x->connections = &t->model.connections;
  x->previous = NULL;
  x->next = t->exchanges;
  if (x->next != NULL) x->next->previous = x;
  t->exchanges = x;
  t->exchange_count++;
}

static void leave(exchange *x) {
  transport *t = x->transport;
  if (x->next != NULL) x->next->previous = x->previous;
  if (x->previous != NULL) x->previous->next = x->next;
  if (t->exchanges == x) t->exchanges = x->next;
  t->exchange_count--;
  x->transport = NULL;
}

static bool make_room(transport *t) {
  return drive_make_room(&t->drive, t->exchange_count)
    && connections_make_room(&t->model.connections, t->exchange_count);
}

/* A listing is likely as long as the one before it. */
static bool begin(transport *t, exchange *x, long ms) {
  size_t answer = x->method == HTTP_GET ? t->listing : 0;
  return handle_take(&t->handles, &t->model, x)
    && handle_set_up(x, &t->model, answer, ms)
    && make_room(t)
    && curl_multi_add_handle(t->multi, x->easy) == CURLM_OK;
}

void transport_start(transport *t, exchange *x, long ms) {
  enlist(t, x);
  x->ends = clock_now() + ms;
  drive_expect(&t->drive, x->ends);
  if (!begin(t, x, ms)) transport_stop(x, EXCHANGE_MEMORY);
}

/* What the answer tells of the service, for later exchanges. */
static void learn(transport *t, const exchange *x, exchange_end how) {
  if (
    x->method == HTTP_GET && how == EXCHANGE_ANSWERED && exchange_is_success(x)
  ) {
    t->listing = x->answer.length;
  }
  if (*x->date == '\0') return;
  memcpy(t->date, x->date, sizeof t->date);
  t->date_at = x->date_at;
}

static void give_back(transport *t, exchange *x) {
  if (x->easy == NULL) return;
  curl_multi_remove_handle(t->multi, x->easy);
  handle_give_back(&t->handles, &t->model, x);
}

static void end(transport *t, exchange *x, exchange_end how) {
  learn(t, x, how);
  exchange_conclude(x, how);
  give_back(t, x);
  leave(x);
}

void transport_stop(exchange *x, exchange_end how) {
  transport *t = x->transport;
  sigpipe_guard guard;
  if (t == NULL) return;
  if (t->owner != fork_generation()) x->easy = NULL; /* the parent's */
  sigpipe_block(&guard, t->model.libcurl);
  end(t, x, how);
  sigpipe_restore(&guard);
}

/* When `*code` says that the exchange gave up the connection that it was to
 * use, starts it once more, on a new one: nothing was sent. False when there is
 * no such reason, or that cannot be done, as `*code` then says. */
static bool restart(transport *t, exchange *x, CURLcode *code) {
  int64_t left = x->ends - clock_now();
  if (*code != CURLE_ABORTED_BY_CALLBACK) return false;
  x->detail[0] = '\0';
  *code = left > 0 ? CURLE_OUT_OF_MEMORY : CURLE_OPERATION_TIMEDOUT;
  return left > 0
    && curl_multi_remove_handle(t->multi, x->easy) == CURLM_OK
    && handle_renew(x, (long)left)
    && curl_multi_add_handle(t->multi, x->easy) == CURLM_OK;
}

/* libcurl may keep a connection on which sending failed, and OpenSSL would then
 * write what is left of this request in place of the next one. Once it is shut
 * down, libcurl finds it dead. */
static void settle_connection(transport *t, const exchange *x) {
  curl_socket_t kept = CURL_SOCKET_BAD;
  if (x->local_port == 0) return; /* libcurl would name an earlier one */
  curl_easy_getinfo(x->easy, CURLINFO_ACTIVESOCKET, &kept);
  if (kept == CURL_SOCKET_BAD) return;
  if (x->code == CURLE_OK) {
    connections_add(&t->model.connections, kept, x->local_port);
  } else {
    (void)shutdown(kept, SHUT_RDWR);
  }
}

/* libcurl is done with the exchange. */
static void finish(transport *t, exchange *x, CURLcode code) {
  curl_off_t wait = 0;
  if (restart(t, x, &code)) return;
  x->code = code;
  if (x->stopped == EXCHANGE_BROKEN) {
    x->code = CURLE_WEIRD_SERVER_REPLY;
    strcpy(x->detail, "the answer has two lengths");
  }
  if (curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK) {
    x->retry_after = wait > LONG_MAX ? LONG_MAX : (long)wait;
  }
  settle_connection(t, x);
  end(t, x, exchange_verdict(x));
}

/* --- waiting --- */

static void collect_finished(transport *t) {
  const CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(t->multi, &left)) != NULL) {
    char *owner = NULL;
    CURLcode code = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    finish(t, (exchange *)(void *)owner, code);
  }
}

static void expect_ends(transport *t) {
  int64_t now = clock_now();
  const exchange *x;
  for (x = t->exchanges; x != NULL; x = x->next) {
    drive_expect(&t->drive, x->ends > now ? x->ends : now);
  }
}

/* A multi handle that failed moves nothing any more. */
static void give_up(transport *t) {
  t->broken = true;
  while (t->exchanges != NULL) {
    t->exchanges->code = CURLE_RECV_ERROR;
    transport_stop(t->exchanges, EXCHANGE_BROKEN);
  }
}

transport_event transport_wait(transport *t, long ms) {
  int ready = drive_poll(&t->drive, ms);
  bool works;
  sigpipe_guard guard;
  if (ready == DRIVE_INTERRUPTED) return TRANSPORT_INTERRUPTED;
  sigpipe_block(&guard, t->model.libcurl);
  works = ready != DRIVE_FAILED
    && drive_run(&t->drive, ready, t->exchanges != NULL);
  if (drive_forgot_ends(&t->drive)) expect_ends(t);
  collect_finished(t);
  sigpipe_restore(&guard);
  if (works) return TRANSPORT_PROGRESS;
  give_up(t);
  return TRANSPORT_FAILED;
}

long transport_patience(const transport *t) {
  wakeup_look(t->wakeup, clock_now());
  if (transport_has_results(t)) return 0;
  return drive_time(&t->drive, PATIENCE_MS);
}

/* --- facts --- */

int transport_descriptor(const transport *t) {
  return t->wakeup->poller.fd;
}

wakeup *transport_wakeup(const transport *t) {
  return t->wakeup;
}

bool transport_has_results(const transport *t) {
  return t->wakeup->finished > 0;
}

const char *transport_prefix(const transport *t) {
  return t->model.base.prefix;
}

time_t transport_date(const transport *t, int64_t *at) {
  *at = t->date_at;
  return *t->date == '\0' ? -1 : curl_getdate(t->date, NULL);
}

/* --- closing --- */

void transport_close(transport *t) {
  close_multi(t);
  wakeup_release(t->wakeup);
  drive_free(&t->drive);
  model_close(&t->model);
  memset(t, 0, sizeof *t);
}
