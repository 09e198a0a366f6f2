/* The certificates of ca_file: read once, and where libcurl uses OpenSSL 3 also
 * parsed once. libcurl would parse them again for each connection, which takes
 * longer than all the rest of it when they are as many as a system's. */
#ifndef BYTENITE_CA_STORE_H
#define BYTENITE_CA_STORE_H

#include <stdbool.h>

#include "bytes/buffer.h"

/* All zero: none. */
typedef struct ca_store {
  buffer text;  /* PEM, as it was read; empty once it is parsed */
  void *parsed; /* an X509_STORE, which connections hold as well; or NULL */
} ca_store;

/* True if ca_store_parse and ca_store_trust work with this libcurl's TLS. */
bool ca_store_is_parsable(void);

/* Reads the file into `text`. NULL, or what is wrong with it. */
const char *ca_store_read(ca_store *ca, const char *path);

/* Makes `parsed` of `text`, with what libcurl would take from it. Where that
 * cannot be done, for whatever libcurl would find wrong with the text as well,
 * all stays as it was and is left to libcurl. False when memory is short. */
bool ca_store_parse(ca_store *ca);

/* Lets an SSL_CTX trust what was parsed, and nothing else. False when it could
 * not be done, and then no connection may be made with it. */
bool ca_store_trust(const ca_store *ca, void *context);

/* Idempotent. */
void ca_store_free(ca_store *ca);

#endif
