/* libcurl easy handles: the options that every request is made with. */
#ifndef BYTENITE_EASY_H
#define BYTENITE_EASY_H

#include "http/transport.h"

/* Makes `t->model`. NULL when done, else what is wrong and `*option` the
 * setting it is about, or NULL. An option that security depends on and that
 * this libcurl refuses is such a failure. */
const char *easy_model(
  transport *t, const transport_settings *settings, const char **option
);

/* Copies the model for one exchange. NULL when memory is short. */
CURL *easy_copy(const transport *t);

/* Where a client without a setting for it looks for CA certificates: a
 * directory, a file, or NULL when that is up to the TLS library. */
const char *easy_ca_store(void);

#endif
