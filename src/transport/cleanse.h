/* Has OpenSSL 3 wipe what it has decrypted as soon as libcurl has read it: the
 * answer to a token exchange holds the token. Other TLS libraries have no such
 * option; nothing is changed there. */
#ifndef BYTENITE_CLEANSE_H
#define BYTENITE_CLEANSE_H

/* For the connections that are made with this SSL_CTX. */
void cleanse_decrypted(void *context);

#endif
