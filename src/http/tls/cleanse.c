#include "http/tls/cleanse.h"

#include <stddef.h>

#include "http/tls/openssl.h"

/* From <openssl/ssl.h>. */
#define SSL_OP_CLEANSE_PLAINTEXT ((uint64_t)1 << 1)

void cleanse_decrypted(void *context) {
  const openssl *o = openssl_functions();
  if (o != NULL) o->SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
}

/* The SSL of the connection that a handle is about to send its request on. */
static void *connection_of(CURL *easy) {
  struct curl_tlssessioninfo *session = NULL;
  if (
    curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK
    || session == NULL || session->backend != CURLSSLBACKEND_OPENSSL
  ) {
    return NULL;
  }
  return session->internals;
}

bool cleanse_has_pending(CURL *easy) {
  const openssl *o = openssl_functions();
  void *connection = o == NULL ? NULL : connection_of(easy);
  return connection != NULL && o->SSL_pending(connection) > 0;
}

void cleanse_switch(CURL *easy, bool on) {
  const openssl *o = openssl_functions();
  void *connection = o == NULL ? NULL : connection_of(easy);
  if (connection == NULL) return;
  if (on) {
    o->SSL_set_options(connection, SSL_OP_CLEANSE_PLAINTEXT);
  } else {
    o->SSL_clear_options(connection, SSL_OP_CLEANSE_PLAINTEXT);
  }
}
