/* Has OpenSSL 3 wipe what it has decrypted as soon as libcurl has read it: the
 * answer to a token exchange holds the token. Other TLS libraries have no such
 * option; nothing is changed there. */
#ifndef BYTENITE_CLEANSE_H
#define BYTENITE_CLEANSE_H

#include <curl/curl.h>

/* Sets it on a handle; its copies have it too. */
void cleanse_decrypted(CURL *easy);

#endif
