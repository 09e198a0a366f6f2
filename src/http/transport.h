/* HTTP exchanges with libcurl, without Lua: the connections of one client and
 * the exchanges that are under way on them, driven through curl's multi-socket
 * interface (https://curl.se/libcurl/c/libcurl-multi.html). One transport
 * belongs to one client: connections, TLS sessions and the CA store are never
 * shared between credentials. */
#ifndef BYTENITE_TRANSPORT_H
#define BYTENITE_TRANSPORT_H

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes/buffer.h"
#include "http/connections.h"
#include "http/tls/ca_store.h"
#include "http/url.h"
#include "http/wakeup.h"

#define LIBCURL_OLDEST 0x075000

#if LIBCURL_VERSION_NUM < LIBCURL_OLDEST
#error "bytenite.secrets needs libcurl 7.80 or newer"
#endif

/* Headers of 7.85 or newer name options that older ones do not know. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define LIBCURL_OLDEST_LOADED 0x075500
#define LIBCURL_OLDEST_TEXT "7.85"
#else
#define LIBCURL_OLDEST_LOADED LIBCURL_OLDEST
#define LIBCURL_OLDEST_TEXT "7.80"
#endif

#define TRANSPORT_IDLE_MAX 8
#define TRANSPORT_DATE_MAX 40

struct exchange;

/* What a transport is opened with. A NULL string stands for the default. */
typedef struct transport_settings {
  const char *base_url;
  bool allow_http;           /* plain http also to other machines */
  long connect_timeout_ms;
  const char *user_agent;
  const char *ca_file;       /* read now, not at each connection */
  const char *ca_path;
  const char *client_cert;
  const char *client_key;
  const char *proxy;         /* NULL or "" connects directly */
  const char *no_proxy;
  bool remote_proxy;         /* connects directly to a loopback base URL */
  bool pollable;             /* with a descriptor for event loops */
  long max_connections;      /* that are kept for later requests */
} transport_settings;

typedef struct transport {
  CURLM *multi;
  CURL *model;               /* holds the settings; other handles copy it */
  CURL *idle_get[TRANSPORT_IDLE_MAX];
  CURL *idle_delete[TRANSPORT_IDLE_MAX];
  size_t idle_gets;
  size_t idle_deletes;
  base_url base;
  buffer agent;              /* User-Agent header line, or empty */
  ca_store ca;               /* the certificates of ca_file */
  connections connections;
  struct pollfd *sockets;    /* those that libcurl waits for */
  size_t socket_count;
  size_t socket_capacity;
  int64_t timer;             /* when libcurl wants to run, monotonic ms; -1 */
  int64_t overdue;           /* when one of the exchanges should have ended */
  int64_t moved;             /* when it last ran */
  wakeup *wakeup;
  long max_connections;
  struct exchange *exchanges;
  size_t exchange_count;
  long owner;                /* the process that `multi` belongs to */
  unsigned libcurl;          /* its version number, as found at run time */
  bool broken;               /* `multi` failed, and is to be replaced */
  char date[TRANSPORT_DATE_MAX]; /* Date header of the newest answer */
  int64_t date_at;           /* when it came */
  size_t listing;            /* bytes of the newest answer to a GET */
} transport;

/* Opens a zeroed transport; no network traffic. NULL when it is ready, else a
 * sentence of what is wrong, and `*option` the setting it is about, or NULL.
 * The caller closes it in either case. */
const char *transport_open(
  transport *t, const transport_settings *settings, const char **option
);

/* To be called before exchanges are started. In a process forked since the last
 * call: takes a new multi handle, leaves the inherited one and its connections
 * to the parent, and sets `*forked`. Also replaces a handle that failed. False
 * when memory is short. */
bool transport_enter(transport *t, bool *forked);

/* Makes room for the sockets of all exchanges: a shortage while libcurl works
 * on them would be the end of its multi handle. False when memory is short. */
bool transport_make_room(transport *t);

/* An exchange is to end at this time. */
void transport_expect(transport *t, int64_t end);

typedef enum transport_event {
  TRANSPORT_PROGRESS,    /* something happened, or the time is up */
  TRANSPORT_INTERRUPTED, /* a signal handler ran */
  TRANSPORT_FAILED       /* poll(2) or libcurl's multi handle refused */
} transport_event;

/* Waits until an exchange may have moved, at most `ms`, and moves it. When it
 * fails, all that was under way has ended. */
transport_event transport_wait(transport *t, long ms);

/* How long an event loop that has just called transport_wait(t, 0) may wait for
 * t->wakeup until it does so again all the same. */
long transport_patience(const transport *t);

/* Gives up what is under way and closes the connections. Idempotent. */
void transport_close(transport *t);

/* Milliseconds of a clock that only goes forward. */
int64_t transport_now(void);

#endif
