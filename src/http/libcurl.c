#include "http/libcurl.h"

#include <pthread.h>

#include "http/curl_memory.h"

libcurl_facts libcurl_loaded(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  libcurl_facts facts;
  facts.version = info->version;
  facts.tls = info->ssl_version;
  facts.async_dns = (info->features & CURL_VERSION_ASYNCHDNS) != 0;
  facts.is_old = info->version_num < LIBCURL_OLDEST_LOADED;
  return facts;
}

static CURLcode started;

static void start(void) {
  started = curl_memory_start();
}

bool libcurl_start(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  return started == CURLE_OK;
}
