/* Has libcurl wipe its memory before it is freed: its buffers hold what was
 * sent and received. libcurl takes its allocator from the one who initialises
 * it first in a process, so it may be too late for that; whether it was is
 * found out by trying. The blocks are malloc's own, so that it does no harm
 * when they are freed elsewhere. */
#ifndef BYTENITE_CURL_MEMORY_H
#define BYTENITE_CURL_MEMORY_H

#include <curl/curl.h>

/* Whether libcurl's memory is wiped, or why it is not. */
typedef enum curl_scrubbing {
  SCRUBBING_IN_FORCE,
  SCRUBBING_SWITCHED_OFF, /* BYTENITE_SECRETS_SCRUB is 0 */
  SCRUBBING_UNSUPPORTED,  /* malloc does not tell how large a block is */
  SCRUBBING_TOO_LATE      /* libcurl was initialised by others before */
} curl_scrubbing;

/* Initialises libcurl, with the wiping allocator unless that is switched off.
 * To be called once; never undone, for others may use libcurl. */
CURLcode curl_memory_start(void);

/* How it is now. To be called after curl_memory_start. */
curl_scrubbing curl_memory_scrubbing(void);

#endif
