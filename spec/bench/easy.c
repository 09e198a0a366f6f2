/* Contestant: a plain loop around curl_easy_perform with one handle, as in
 * libcurl's examples. No JSON, no retries, no scrubbing. */
#include <curl/curl.h>

#include "contestant.h"

static size_t count_bytes(char *data, size_t one, size_t length, void *total) {
  (void)data;
  (void)one;
  *(size_t *)total += length;
  return length;
}

static void set_up(
  CURL *easy, const contestant *c, struct curl_slist **headers, size_t *total
) {
  *headers = curl_slist_append(NULL, AUTHORIZATION);
  *headers = curl_slist_append(*headers, "Accept: application/json");
  if (c->operation == OPERATION_PUT) {
    *headers = curl_slist_append(*headers, "Content-Type: application/json");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, BODY);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof BODY - 1);
  } else if (c->operation == OPERATION_DELETE) {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
  }
  curl_easy_setopt(easy, CURLOPT_URL, c->url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, total);
  if (c->ca_file == NULL) return;
  curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
  curl_easy_setopt(easy, CURLOPT_CAPATH, c->ca_path);
}

static void calls(void *context, long count) {
  CURL *easy = context;
  long status = 0;
  for (; count > 0; count--) {
    CURLcode code = curl_easy_perform(easy);
    contestant_require(code == CURLE_OK, curl_easy_strerror(code));
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    contestant_require(status == 200, "another status than 200");
  }
}

int main(int argc, char **argv) {
  contestant c;
  struct curl_slist *headers;
  size_t total = 0;
  CURL *easy;
  contestant_arguments(&c, argc, argv);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  easy = curl_easy_init();
  set_up(easy, &c, &headers, &total);
  contestant_time(&c, calls, easy);
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
  curl_global_cleanup();
  return 0;
}
