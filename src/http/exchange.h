/* One HTTP request and its answer. */
#ifndef BYTENITE_EXCHANGE_H
#define BYTENITE_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"
#include "http/authorization.h"
#include "http/transport.h"

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
  char detail[CURL_ERROR_SIZE]; /* libcurl's text, may be empty */
  long status;
  long retry_after;             /* seconds; 0 when not given */
  bool stale;                   /* it gave up a connection that held bytes */
  unsigned sends;               /* requests that left, hidden ones included */
  bool framed;                  /* the answer said where it ends */
  long length;                  /* of its body, as it said; -1 if not */
  buffer answer;

  /* The work of the transport. */
  transport *transport;         /* while it is under way */
  int64_t ends;                 /* when its time is up, monotonic ms */
  struct exchange *next;
  struct exchange *previous;
  CURL *easy;
  int local_port;               /* of the connection that it was sent on */
  struct curl_slist headers[5];
  size_t head_bytes;
  bool head_complete;
  exchange_end stopped;         /* why a callback ended it */
  wakeup *wakeup;               /* told of its end, if somebody waits for it */
  bool announced;
  unsigned era;                 /* in which it was */
} exchange;

/* Makes an empty exchange that takes no memory. */
void exchange_init(exchange *x, http_method method, size_t answer_limit);

/* Lets a handle, and those copied from it, call back the exchange that they are
 * used for. False when libcurl refuses. */
bool exchange_set_callbacks(CURL *model);

/* Hands the request to libcurl. transport_wait does the rest, until `end` is no
 * longer EXCHANGE_RUNNING. */
void exchange_start(exchange *x, transport *t, long timeout_ms);

/* Whoever waits for what is finished is to be told of this one's end too, until
 * it is freed. */
void exchange_announce(exchange *x, wakeup *w);

/* Ends what was never started, for those who wait for it. */
void exchange_signal(exchange *x);

/* Called by the transport when libcurl is done with it. */
void exchange_finish(exchange *x, CURLcode code);

/* Ends it now with `end`, unless it has ended. */
void exchange_stop(exchange *x, exchange_end end);

/* Stops it, wipes and frees what it holds. Idempotent. */
void exchange_free(exchange *x);

#endif
