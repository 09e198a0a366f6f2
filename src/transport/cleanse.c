#include "cleanse.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

/* From <openssl/ssl.h> of OpenSSL 3, without which this is compiled. */
#define SSL_OP_CLEANSE_PLAINTEXT ((uint64_t)1 << 1)
typedef uint64_t set_options(void *context, uint64_t options);

/* In the OpenSSL that this libcurl uses; there may be another one in the
 * process. NULL when it is not to be found. */
static void *find_set_options(void) {
  Dl_info libcurl;
  void *library;
  void *function;
  if (dladdr((void *)(size_t)curl_version_info, &libcurl) == 0) return NULL;
  library = dlopen(libcurl.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (library == NULL) return NULL;
  function = dlsym(library, "SSL_CTX_set_options");
  dlclose(library);
  return function;
}

/* Called by libcurl for each connection, before the handshake. */
static CURLcode cleanse_context(CURL *easy, void *context, void *function) {
  (void)easy;
  ((set_options *)(size_t)function)(context, SSL_OP_CLEANSE_PLAINTEXT);
  return CURLE_OK;
}

void cleanse_decrypted(CURL *easy) {
  const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
  void *function;
  if (tls == NULL || strncmp(tls, "OpenSSL/3.", 10) != 0) return;
  function = find_set_options();
  if (
    function != NULL
    && curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, function) == CURLE_OK
  ) {
    (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, cleanse_context);
  }
}
