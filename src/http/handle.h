/* The libcurl handle of an exchange: from its request to the options that make
 * libcurl send it. */
#ifndef BYTENITE_REQUEST_H
#define BYTENITE_REQUEST_H

#include <curl/curl.h>
#include <stdbool.h>

#include "http/exchange.h"

/* Takes a handle and sets it up. False when memory is short; there may be a
 * handle all the same. */
bool request_begin(exchange *x, long timeout_ms);

/* When `*code` says that the exchange gave up the connection that it was to
 * use: starts it once more, on a new one, for nothing was sent. False when
 * there is no such reason, or that cannot be done, as `*code` then says. */
bool request_again(exchange *x, CURLcode *code);

/* Gives the handle back, or destroys it. NULL is allowed. */
void request_end(exchange *x);

#endif
