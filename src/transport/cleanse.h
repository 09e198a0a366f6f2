/* Has OpenSSL 3 wipe what it has decrypted as soon as libcurl has read it: the
 * answer to a token exchange holds the token. Other TLS libraries have no such
 * option; nothing is changed there. */
#ifndef BYTENITE_CLEANSE_H
#define BYTENITE_CLEANSE_H

#include <curl/curl.h>
#include <stdbool.h>

/* For the connections that are made with this SSL_CTX. */
void cleanse_decrypted(void *context);

/* Switches it for the connection that a handle is about to send its request
 * on. OpenSSL wipes 16 KiB each time, which answers without secrets need not
 * pay for. Where that cannot be done, it stays as it is. */
void cleanse_switch(CURL *easy, bool on);

#endif
