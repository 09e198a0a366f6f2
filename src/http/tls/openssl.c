#include "http/tls/openssl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static openssl functions;
static bool found;

static bool is_used(void) {
  const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
  return tls != NULL && strncmp(tls, "OpenSSL/3.", 10) == 0;
}

/* Looking up a function in it looks in what it was linked with as well. */
static void *open_libcurl(void) {
  Dl_info libcurl;
  if (dladdr((void *)(size_t)curl_version_info, &libcurl) == 0) return NULL;
  return dlopen(libcurl.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
}

static void find_functions(void) {
  void *libcurl = is_used() ? open_libcurl() : NULL;
  if (libcurl == NULL) return;
  found = true;
#define FIND(result, name, arguments) \
  functions.name = (result (*) arguments)(size_t)dlsym(libcurl, #name); \
  found = found && functions.name != NULL;
  OPENSSL_FUNCTIONS(FIND)
#undef FIND
  dlclose(libcurl);
}

const openssl *openssl_functions(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_functions);
  return found ? &functions : NULL;
}
