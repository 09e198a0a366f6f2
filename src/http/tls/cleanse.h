/* What OpenSSL 3 has decrypted. About other TLS libraries nothing is done. */
#ifndef BYTENITE_CLEANSE_H
#define BYTENITE_CLEANSE_H

#include <curl/curl.h>
#include <stdbool.h>

/* Has it wiped as soon as libcurl has read it, for the connections that are
 * made with this SSL_CTX: the answer to a token exchange holds the token. */
void cleanse_decrypted(void *context);

/* Switches that for the connection that a handle is about to send its request
 * on. OpenSSL wipes 16 KiB each time, which answers to requests without a key
 * need not pay for. Where that cannot be done, it stays as it is. */
void cleanse_switch(CURL *easy, bool on);

bool cleanse_has_pending(CURL *easy);

#endif
