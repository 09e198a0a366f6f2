#include "emulator/http.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_POLL 60.0 /* seconds */
#define MOST_CONNECTIONS 4096u

/* Room for a header block that is larger than any client should take. */
#define CONNECTION_MEMORY ((size_t)256 * 1024)

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void hold(emulator_http *http, emulator_request *request) {
  emulator_request **end = &http->held;
  while (*end != NULL) end = &(*end)->next;
  *end = request;
  request->next = NULL;
  request->due = now() + request->answer.delay;
  MHD_suspend_connection(request->connection);
}

/* Resumes every held request that is due; libmicrohttpd then calls on_request
 * for it once more. */
static void release_due(emulator_http *http, double time) {
  emulator_request **link = &http->held;
  while (*link != NULL) {
    emulator_request *request = *link;
    if (request->due > time) {
      link = &request->next;
      continue;
    }
    *link = request->next;
    MHD_resume_connection(request->connection);
  }
}

/* Milliseconds until libmicrohttpd or a held request needs attention. */
static int poll_timeout(const emulator_http *http) {
  const emulator_request *request;
  MHD_UNSIGNED_LONG_LONG milliseconds;
  double time = now(), shortest = LONGEST_POLL;
  for (request = http->held; request != NULL; request = request->next) {
    if (request->due - time < shortest) shortest = request->due - time;
  }
  if (MHD_get_timeout(http->daemon, &milliseconds) == MHD_YES
      && (double)milliseconds / 1000 < shortest) {
    return (int)milliseconds;
  }
  return shortest > 0 ? (int)(shortest * 1000) + 1 : 0;
}

static void *serve(void *context) {
  emulator_http *http = context;
  struct pollfd descriptors[2] = {
    { .fd = http->wake, .events = POLLIN },
    { .fd = http->poller, .events = POLLIN },
  };
  for (;;) {
    (void)poll(descriptors, 2, poll_timeout(http));
    if (descriptors[0].revents != 0) return NULL;
    release_due(http, now());
    (void)MHD_run(http->daemon);
  }
}

/* Called first of all for a request: what it returns is its `slot` below. */
static void *on_target(
  void *context, const char *uri, struct MHD_Connection *connection
) {
  (void)context;
  return emulator_request_new(connection, uri);
}

/* Called after the header fields, for each part of the body, at the end of the
 * request, and again when a held request was resumed. */
static enum MHD_Result on_request(
  void *context, struct MHD_Connection *connection, const char *url,
  const char *method, const char *version, const char *data, size_t *length,
  void **slot
) {
  emulator_http *http = context;
  emulator_request *request = *slot;
  (void)connection, (void)url, (void)version;
  if (request == NULL) return MHD_NO;
  if (!request->started) {
    return emulator_request_begin(request, method) ? MHD_YES : MHD_NO;
  }
  if (*length > 0) {
    size_t part = *length;
    *length = 0;
    return emulator_request_body(request, data, part) ? MHD_YES : MHD_NO;
  }
  if (!request->handled) {
    request->handled = true;
    http->handler(http->context, request);
    if (request->answer.delay > 0) {
      hold(http, request);
      return MHD_YES;
    }
  }
  return emulator_request_answer(request);
}

static void on_completed(
  void *context, struct MHD_Connection *connection, void **slot,
  enum MHD_RequestTerminationCode code
) {
  (void)context, (void)connection, (void)code;
  emulator_request_free(*slot);
  *slot = NULL;
}

/* Leaves paths and queries as they came: decoding before splitting would make
 * %2F a separator. */
static size_t keep_escapes(
  void *context, struct MHD_Connection *connection, char *text
) {
  (void)context, (void)connection;
  return strlen(text);
}

/* After bind(2) failed, libmicrohttpd 1.0 closes a descriptor that it does not
 * have, and so leaves EBADF. So ask bind once more. */
static int why_not(const struct sockaddr_in *address, int failure) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  if (fd < 0) return errno;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
    failure = errno;
  }
  (void)close(fd);
  return failure != 0 ? failure : ENOMEM;
}

static int start_daemon(emulator_http *http, uint16_t port) {
  const union MHD_DaemonInfo *info;
  struct sockaddr_in address = {
    .sin_family = AF_INET,
    .sin_port = htons(port),
    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
  errno = 0;
  http->daemon = MHD_start_daemon(
    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, port, NULL, NULL,
    on_request, http,
    MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
    MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
    MHD_OPTION_CONNECTION_LIMIT, MOST_CONNECTIONS,
    MHD_OPTION_END
  );
  if (http->daemon == NULL) return why_not(&address, errno);
  info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == NULL) return ENOTSUP;
  http->poller = info->epoll_fd;
  return 0;
}

/* The thread inherits a mask that blocks every signal, so that the host's
 * handlers go on running where they always did. */
static int start_thread(emulator_http *http) {
  sigset_t all, before;
  int failure;
  http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (http->wake < 0) return errno;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  failure = pthread_create(&http->thread, NULL, serve, http);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  http->running = failure == 0;
  return failure;
}

void emulator_http_init(
  emulator_http *http, emulator_handler handler, void *context
) {
  memset(http, 0, sizeof *http);
  http->handler = handler;
  http->context = context;
  http->poller = -1;
  http->wake = -1;
}

int emulator_http_start(emulator_http *http, uint16_t port) {
  int failure = start_daemon(http, port);
  if (failure == 0) failure = start_thread(http);
  if (failure != 0) emulator_http_stop(http);
  return failure;
}

unsigned emulator_http_port(const emulator_http *http) {
  const union MHD_DaemonInfo *info =
    MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info != NULL ? info->port : 0;
}

static void end_thread(emulator_http *http) {
  (void)eventfd_write(http->wake, 1);
  (void)pthread_join(http->thread, NULL);
  http->running = false;
}

void emulator_http_stop(emulator_http *http) {
  if (http->running) end_thread(http);
  if (http->daemon != NULL) {
    /* It aborts the process over a connection that is still suspended. */
    release_due(http, HUGE_VAL);
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
  }
  if (http->wake >= 0) (void)close(http->wake);
  http->wake = -1;
  http->poller = -1;
}
