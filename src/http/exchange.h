/* One HTTP request and its answer. */
#ifndef BYTENITE_EXCHANGE_H
#define BYTENITE_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes/buffer.h"
#include "http/authorization.h"
#include "http/connections.h"
#include "http/wakeup.h"

#define EXCHANGE_DATE_MAX 40
#define EXCHANGE_HEADERS_MAX 5

typedef enum http_method { HTTP_GET, HTTP_DELETE, HTTP_POST } http_method;

/* How an exchange ended. */
typedef enum exchange_end {
  EXCHANGE_RUNNING,
  EXCHANGE_ANSWERED,   /* a whole answer, as far as HTTP can tell */
  EXCHANGE_BROKEN,     /* libcurl gave up: `code` and `detail` say why */
  EXCHANGE_INCOMPLETE, /* the connection ended within the header block */
  EXCHANGE_TOO_LARGE,  /* the answer went over a limit */
  EXCHANGE_ENCODED,    /* a Content-Encoding that was not asked for */
  EXCHANGE_MEMORY,
  EXCHANGE_CANCELLED
} exchange_end;

typedef struct exchange {
  /* The request, filled in by the caller. */
  http_method method;
  buffer target;               /* path and query, percent-encoded */
  buffer body;                 /* JSON; only sent with HTTP_POST */
  authorization authorization; /* none: the header is not sent */
  buffer secret;               /* what must not come back in an error text */

  /* The answer. */
  exchange_end end;
  CURLcode code;
  char detail[CURL_ERROR_SIZE]; /* libcurl's text about `code` */
  long status;
  long retry_after;             /* seconds; 0 when not given */
  bool stale;                   /* it gave up a connection that held bytes */
  unsigned sends;               /* requests that left, hidden ones included */
  bool framed;                  /* the answer said where it ends */
  long length;                  /* of its body, as it said; -1 if not */
  buffer answer;

  /* Private to this folder. */
  struct transport *transport;  /* while it is under way; else NULL */
  struct exchange *next;
  struct exchange *previous;
  const connections *connections; /* those that it may be sent on */
  CURL *easy;
  int64_t ends;                 /* when its time is up, monotonic ms */
  int local_port;               /* of the connection that it was sent on */
  struct curl_slist headers[EXCHANGE_HEADERS_MAX];
  char date[EXCHANGE_DATE_MAX]; /* Date header of the answer, or empty */
  int64_t date_at;              /* when it came */
  size_t head_bytes;
  bool head_complete;
  exchange_end stopped;         /* why a callback ended it */
  wakeup *wakeup;               /* counts its end, if somebody waits for it */
  bool announced;
  unsigned era;                 /* of the wakeup, when it was */
} exchange;

/* Makes an empty exchange that takes no memory. */
void exchange_init(exchange *x, http_method method, size_t answer_limit);

/* Makes a handle and its copies call back the exchange that they are used for.
 * False when libcurl refuses. */
bool exchange_set_callbacks(CURL *model);

/* Makes the end of this exchange count in `w` until it is freed. */
void exchange_announce(exchange *x, wakeup *w);

/* Marks a signal (an exchange that is never sent) as done and wakes its
 * waiters. */
void exchange_signal(exchange *x);

/* How an exchange ended that libcurl is done with, for whatever reason. */
exchange_end exchange_verdict(const exchange *x);

/* Ends it as `how`, while it still has its handle. */
void exchange_conclude(exchange *x, exchange_end how);

/* True if the status is one of success. */
bool exchange_is_success(const exchange *x);

/* Wipes and frees what it holds. It must not be under way: see transport_stop.
 * Idempotent. */
void exchange_free(exchange *x);

#endif
