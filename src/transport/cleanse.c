#include "cleanse.h"

#include <stddef.h>

#include "openssl.h"

/* From <openssl/ssl.h>. */
#define SSL_OP_CLEANSE_PLAINTEXT ((uint64_t)1 << 1)

void cleanse_decrypted(void *context) {
  const openssl *o = openssl_functions();
  if (o != NULL) o->SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
}
