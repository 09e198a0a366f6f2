#include "cleanse.h"

#include <stddef.h>

#include "openssl.h"

/* From <openssl/ssl.h>. */
#define SSL_OP_CLEANSE_PLAINTEXT ((uint64_t)1 << 1)

/* Called by libcurl for each connection, before the handshake. */
static CURLcode cleanse_context(CURL *easy, void *context, void *unused) {
  (void)easy;
  (void)unused;
  openssl_functions()->SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
  return CURLE_OK;
}

void cleanse_decrypted(CURL *easy) {
  if (openssl_functions() == NULL) return;
  (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, cleanse_context);
}
