#include "cleanse.h"

#include <stddef.h>

#include "openssl.h"

/* From <openssl/ssl.h>. */
#define SSL_OP_CLEANSE_PLAINTEXT ((uint64_t)1 << 1)

void cleanse_decrypted(void *context) {
  const openssl *o = openssl_functions();
  if (o != NULL) o->SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
}

void cleanse_switch(CURL *easy, bool on) {
  const openssl *o = openssl_functions();
  struct curl_tlssessioninfo *session = NULL;
  if (
    o == NULL
    || curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK
    || session == NULL || session->backend != CURLSSLBACKEND_OPENSSL
    || session->internals == NULL
  ) {
    return;
  }
  if (on) {
    o->SSL_set_options(session->internals, SSL_OP_CLEANSE_PLAINTEXT);
  } else {
    o->SSL_clear_options(session->internals, SSL_OP_CLEANSE_PLAINTEXT);
  }
}
