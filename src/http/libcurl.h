/* The libcurl that is loaded, which may be another one than that of the
 * headers. */
#ifndef BYTENITE_LIBCURL_H
#define BYTENITE_LIBCURL_H

#include <curl/curl.h>
#include <stdbool.h>

#define LIBCURL_OLDEST 0x075000

#if LIBCURL_VERSION_NUM < LIBCURL_OLDEST
#error "bytenite.secrets needs libcurl 7.80 or newer"
#endif

/* Headers of 7.85 or newer name options that older ones do not know. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define LIBCURL_OLDEST_LOADED 0x075500
#define LIBCURL_OLDEST_TEXT "7.85"
#else
#define LIBCURL_OLDEST_LOADED LIBCURL_OLDEST
#define LIBCURL_OLDEST_TEXT "7.80"
#endif

typedef struct libcurl_facts {
  const char *version;
  const char *tls;    /* the TLS library and its version, or NULL */
  bool async_dns;     /* a hung resolver does not block */
  bool is_old;        /* older than LIBCURL_OLDEST_TEXT */
} libcurl_facts;

libcurl_facts libcurl_loaded(void);

/* Starts libcurl, once per process, with wiped memory where that is possible:
 * see curl_memory.h. False when it does not start. */
bool libcurl_start(void);

#endif
