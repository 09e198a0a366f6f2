/* The emulator's HTTP server: libmicrohttpd on a thread of its own, bound to
 * 127.0.0.1. Knows nothing of Lua; what to answer is asked of one function. */
#ifndef BYTENITE_EMULATOR_HTTP_H
#define BYTENITE_EMULATOR_HTTP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes/buffer.h"

#define EMULATOR_BODY_LIMIT ((size_t)4 * 1024 * 1024)

typedef enum emulator_drop {
  EMULATOR_DROP_NOTHING,
  EMULATOR_DROP_ALL, /* close without an answer */
  EMULATOR_DROP_HALF /* announce the whole body, send half of it, close */
} emulator_drop;

/* The answer to a request. Header fields are "name\0value\0" pairs. */
typedef struct emulator_answer {
  unsigned status;
  buffer headers;
  buffer body;
  double delay; /* seconds from the arrival of the whole request */
  emulator_drop drop;
} emulator_answer;

/* A request from its first line to the end of its answer. */
typedef struct emulator_request {
  char *uri;     /* as it came, with the query, nothing decoded */
  char *method;
  buffer headers; /* "name\0value\0" pairs, in the order of the wire */
  buffer body;    /* its state is BUFFER_FULL when it is over the limit */
  emulator_answer answer;
  struct MHD_Connection *connection;
  struct emulator_request *next; /* the next one that waits, see `held` */
  double due;                    /* monotonic seconds */
  bool started, handled;
} emulator_request;

/* Fills request->answer. Called on the server's thread for every complete
 * request, one at a time; never raises, never blocks for long. */
typedef void (*emulator_handler)(void *context, emulator_request *request);

typedef struct emulator_http {
  emulator_handler handler;
  void *context;
  struct MHD_Daemon *daemon;
  emulator_request *held; /* suspended requests, oldest first */
  pthread_t thread;
  bool running;
  int poller; /* the daemon's epoll descriptor, never closed here */
  int wake;   /* an eventfd: readable = end the thread */
} emulator_http;

/* Makes a stopped server; takes nothing. */
void emulator_http_init(
  emulator_http *http, emulator_handler handler, void *context
);

/* Listens on 127.0.0.1 and answers from now on; port 0 means any free one.
 * Returns 0, else an errno value, and then the server is stopped again. */
int emulator_http_start(emulator_http *http, uint16_t port);

/* The port that the server listens on. */
unsigned emulator_http_port(const emulator_http *http);

/* Closes all connections, answered or not, and ends the thread; idempotent. */
void emulator_http_stop(emulator_http *http);

#endif
