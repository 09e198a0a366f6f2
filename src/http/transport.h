/* HTTP exchanges with libcurl, without Lua: the connections of one client and
 * the exchanges that are under way on them, driven through curl's multi-socket
 * interface (https://curl.se/libcurl/c/libcurl-multi.html). One transport
 * belongs to one client: connections, TLS sessions and the CA store are never
 * shared between credentials. */
#ifndef BYTENITE_TRANSPORT_H
#define BYTENITE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "http/drive.h"
#include "http/exchange.h"
#include "http/handle.h"
#include "http/model.h"
#include "http/settings.h"
#include "http/wakeup.h"

/* Private to this folder. */
typedef struct transport {
  CURLM *multi;
  model model;
  handles handles;
  drive drive;
  wakeup *wakeup;
  long max_connections;
  exchange *exchanges;       /* under way */
  size_t exchange_count;
  long owner;                /* the process that `multi` belongs to */
  bool broken;               /* `multi` failed, and is to be replaced */
  char date[EXCHANGE_DATE_MAX]; /* Date header of the newest answer */
  int64_t date_at;           /* when it came */
  size_t listing;            /* bytes of the newest answer to a GET */
} transport;

/* Opens a zeroed transport; no network traffic. NULL when it is ready, else a
 * sentence of what is wrong, and `*option` the setting it is about, or NULL.
 * The caller closes it in either case. */
const char *transport_open(
  transport *t, const http_settings *settings, const char **option
);

/* To be called before exchanges are started. In a process forked since the last
 * call: takes a new multi handle, leaves the inherited one and its connections
 * to the parent, and sets `*forked`. Also replaces a handle that failed. False
 * when memory is short. */
bool transport_enter(transport *t, bool *forked);

/* Hands a request to libcurl, for `ms` at most. transport_wait does the rest,
 * until `x->end` is no longer EXCHANGE_RUNNING. */
void transport_start(transport *t, exchange *x, long ms);

/* Ends an exchange now as `how`. Does nothing unless it is under way. */
void transport_stop(exchange *x, exchange_end how);

typedef enum transport_event {
  TRANSPORT_PROGRESS,    /* something happened, or the time is up */
  TRANSPORT_INTERRUPTED, /* a signal handler ran */
  TRANSPORT_FAILED       /* poll(2) or libcurl's multi handle refused */
} transport_event;

/* Waits until an exchange may have moved, at most `ms`, and moves it. When it
 * fails, all that was under way has ended. */
transport_event transport_wait(transport *t, long ms);

/* How long an event loop that has just called transport_wait(t, 0) may wait for
 * the descriptor until it calls it again all the same. */
long transport_patience(const transport *t);

/* The descriptor that an event loop waits for, or -1. */
int transport_descriptor(const transport *t);

/* Counts the results of this transport's exchanges: see exchange_announce. */
wakeup *transport_wakeup(const transport *t);

/* True if there are results that nobody has collected. */
bool transport_has_results(const transport *t);

/* The path of the base URL, without a slash at its end. */
const char *transport_prefix(const transport *t);

/* The service's clock as the newest answer had it, or -1 if no answer said.
 * `*at` is when that came, monotonic ms. */
time_t transport_date(const transport *t, int64_t *at);

/* Gives up what is under way and closes the connections. Idempotent. */
void transport_close(transport *t);

#endif
