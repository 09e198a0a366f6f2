/* URLs: the base URL of the service, and what goes into a request target. */
#ifndef BYTENITE_URL_H
#define BYTENITE_URL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"

#define SEGMENT_MAX 1024

typedef struct base_url {
  CURLU *origin; /* scheme, host and port */
  char *prefix;  /* path before /v1/auth, without a slash at its end */
  bool loopback; /* the host is this machine */
} base_url;

/* Parses and checks a base URL. NULL when it is good; else a sentence of what
 * is wrong with it, which never quotes it. `base` owns what it holds, also
 * after a failure. */
const char *base_url_parse(base_url *base, const char *url, bool allow_http);

/* Idempotent. */
void base_url_free(base_url *base);

/* What keeps `text` from being an id or secretType: NULL, or words that follow
 * the field's name ("is empty"). */
const char *segment_problem(const char *text, size_t length);

/* Appends text percent-encoded as one segment: all but RFC 3986's unreserved
 * characters. */
bool url_append_encoded(buffer *out, const char *text, size_t length);

#endif
