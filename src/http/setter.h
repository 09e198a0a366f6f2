/* Sets options of a libcurl handle one after the other, so that the caller
 * looks for a failure once. */
#ifndef BYTENITE_SETTER_H
#define BYTENITE_SETTER_H

#include <curl/curl.h>

typedef struct setter {
  CURL *easy;
  CURLcode code; /* the first failure; later settings do nothing */
} setter;

static inline void setter_long(setter *s, CURLoption option, long value) {
  if (s->code == CURLE_OK) s->code = curl_easy_setopt(s->easy, option, value);
}

static inline void setter_text(
  setter *s, CURLoption option, const char *value
) {
  if (s->code == CURLE_OK) s->code = curl_easy_setopt(s->easy, option, value);
}

static inline void setter_blob(
  setter *s, CURLoption option, const struct curl_blob *value
) {
  if (s->code == CURLE_OK) s->code = curl_easy_setopt(s->easy, option, value);
}

#endif
