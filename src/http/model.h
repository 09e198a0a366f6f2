/* The model handle: the options that are fixed for a client's life, which the
 * handle of each request copies. handle.c sets what changes per request. */
#ifndef BYTENITE_MODEL_H
#define BYTENITE_MODEL_H

#include <curl/curl.h>

#include "bytes/buffer.h"
#include "http/connections.h"
#include "http/settings.h"
#include "http/tls/ca_store.h"
#include "http/url.h"

#define MODEL_REFUSED "this libcurl refuses an option that security depends on"

typedef struct model {
  CURL *easy;
  base_url base;
  buffer agent;            /* User-Agent header line, or empty */
  ca_store ca;             /* the certificates of ca_file */
  connections connections; /* opened by the copies */
  unsigned libcurl;        /* its version number, as found at run time */
} model;

/* Makes a zeroed model. NULL when it is ready, else what is wrong and `*option`
 * the setting it is about, or NULL. An option that security depends on and that
 * this libcurl refuses is such a failure. The caller closes it in either
 * case. */
const char *model_open(
  model *m, const http_settings *settings, const char **option
);

/* Copies the handle for a request. NULL when memory is short. */
CURL *model_copy(const model *m);

/* Frees all that it holds. Idempotent. */
void model_close(model *m);

#endif
