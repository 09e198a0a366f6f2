/* Contestant: a loop around one curl_multi handle with CONCURRENCY easy ones,
 * set up as well as libcurl can be: the parsed URL is kept, no signals, no
 * proxy variables, the CA store cached. No JSON, no retries, no scrubbing.
 *
 * With FRESH_HANDLES in the environment each call has an easy handle of its
 * own, and what libcurl frees is wiped: what it costs C to leave no key behind.
 */
#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "contestant.h"

#define FRESH_HANDLES "FRESH_HANDLES"

typedef struct pool {
  const contestant *contestant;
  CURLM *multi;
  CURLU *url;
  CURL **easy;
  struct curl_slist *headers;
  size_t total;
  CURL *model; /* of the fresh ones; NULL where handles are used again */
} pool;

/* --- memory that is wiped when it is freed --- */

static void *(*const volatile wipe)(void *, int, size_t) = memset;

static void wiping_free(void *block) {
  if (block == NULL) return;
  wipe(block, 0, malloc_usable_size(block));
  free(block);
}

static void *wiping_realloc(void *block, size_t size) {
  void *moved = malloc(size);
  size_t kept = block == NULL ? 0 : malloc_usable_size(block);
  if (moved == NULL) return NULL;
  if (kept > 0) memcpy(moved, block, kept < size ? kept : size);
  wiping_free(block);
  return moved;
}

static void start_libcurl(void) {
  if (getenv(FRESH_HANDLES) == NULL) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
  } else {
    curl_global_init_mem(
      CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup, calloc
    );
  }
}

/* --- the loop --- */

static size_t count_bytes(char *data, size_t one, size_t length, void *total) {
  (void)data;
  (void)one;
  *(size_t *)total += length;
  return length;
}

static void set_body(const contestant *c, CURL *easy) {
  if (c->operation != OPERATION_PUT) return;
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, BODY);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof BODY - 1);
}

static CURL *open_easy(pool *p) {
  const contestant *c = p->contestant;
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_CURLU, p->url);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &p->total);
  set_body(c, easy);
  if (c->operation == OPERATION_DELETE) {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
  }
  if (c->ca_file != NULL) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  }
  return easy;
}

static void open_pool(pool *p) {
  const contestant *c = p->contestant;
  long i;
  p->multi = curl_multi_init();
  p->url = curl_url();
  curl_url_set(p->url, CURLUPART_URL, c->url, 0);
  p->headers = curl_slist_append(NULL, AUTHORIZATION);
  p->headers = curl_slist_append(p->headers, "Accept: application/json");
  if (c->operation == OPERATION_PUT) {
    p->headers = curl_slist_append(
      p->headers, "Content-Type: application/json"
    );
  }
  curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, c->concurrency);
  p->easy = calloc((size_t)c->concurrency, sizeof *p->easy);
  contestant_require(p->easy != NULL, "no memory");
  for (i = 0; i < c->concurrency; i++) p->easy[i] = open_easy(p);
  if (getenv(FRESH_HANDLES) != NULL) p->model = open_easy(p);
}

static void close_pool(pool *p) {
  long i;
  for (i = 0; i < p->contestant->concurrency; i++) {
    curl_easy_cleanup(p->easy[i]);
  }
  free(p->easy);
  curl_easy_cleanup(p->model);
  curl_multi_cleanup(p->multi);
  curl_url_cleanup(p->url);
  curl_slist_free_all(p->headers);
}

/* The handle of the next call, after one that is over. */
static CURL *renew(pool *p, CURL *easy) {
  CURL **place = p->easy;
  if (p->model == NULL) return easy;
  while (*place != easy) place++;
  curl_easy_cleanup(easy);
  *place = curl_easy_duphandle(p->model);
  curl_easy_setopt(*place, CURLOPT_HTTPHEADER, p->headers);
  set_body(p->contestant, *place);
  return *place;
}

/* How many finished; each starts again while `*waiting` lasts. */
static long collect(pool *p, long *waiting) {
  const CURLMsg *message;
  long finished = 0;
  int left;
  while ((message = curl_multi_info_read(p->multi, &left)) != NULL) {
    CURL *easy = message->easy_handle;
    CURLcode code = message->data.result;
    long status = 0;
    contestant_require(code == CURLE_OK, curl_easy_strerror(code));
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    contestant_require(status == 200, "another status than 200");
    curl_multi_remove_handle(p->multi, easy);
    finished++;
    if (*waiting == 0) continue;
    (*waiting)--;
    curl_multi_add_handle(p->multi, renew(p, easy));
  }
  return finished;
}

static void calls(void *context, long count) {
  pool *p = context;
  long waiting = count;
  long i;
  for (i = 0; i < p->contestant->concurrency && waiting > 0; i++) {
    waiting--;
    curl_multi_add_handle(p->multi, renew(p, p->easy[i]));
  }
  while (count > 0) {
    int running;
    long finished;
    contestant_require(
      curl_multi_perform(p->multi, &running) == CURLM_OK, "perform failed"
    );
    finished = collect(p, &waiting);
    count -= finished;
    if (finished == 0) curl_multi_poll(p->multi, NULL, 0, 1000, NULL);
  }
}

int main(int argc, char **argv) {
  contestant c;
  pool p = {&c, NULL, NULL, NULL, NULL, 0, NULL};
  contestant_arguments(&c, argc, argv);
  start_libcurl();
  open_pool(&p);
  contestant_time(&c, calls, &p);
  close_pool(&p);
  curl_global_cleanup();
  return 0;
}
