/* The emulator's HTTP server: libmicrohttpd on a thread of its own, bound to
 * 127.0.0.1. Knows nothing of Lua; what to answer is asked of one function. */
#ifndef BYTENITE_EMULATOR_HTTP_H
#define BYTENITE_EMULATOR_HTTP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "emulator/request.h"

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
