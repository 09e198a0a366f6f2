#include "http/handle.h"

#include "http/model.h"

/* What libcurl reads at once. It takes a buffer of that size for each exchange
 * and, where that is in force, wipes it afterwards. */
#define PIECE_MIN 1024
#define PIECE_MAX (128 * 1024)

/* From this size of a body on, libcurl asks the server first whether it may
 * send it, and waits a second for an answer. */
#define EXPECT_FROM (1024 * 1024)

/* Our own list nodes, so that libcurl does not copy the Authorization line. */
static void add_header(exchange *x, size_t *count, char *line) {
  struct curl_slist *node = &x->headers[*count];
  node->data = line;
  node->next = NULL;
  if (*count > 0) x->headers[*count - 1].next = node;
  (*count)++;
}

static bool set_headers(exchange *x) {
  static char accept[] = "Accept: application/json";
  static char content_type[] = "Content-Type: application/json";
  static char no_expect[] = "Expect:";
  size_t count = 0;
  if (x->authorization.line != NULL) {
    add_header(x, &count, x->authorization.line->bytes);
  }
  add_header(x, &count, accept);
  if (x->transport->agent.length > 0) {
    add_header(x, &count, x->transport->agent.data);
  }
  if (x->method == HTTP_POST) add_header(x, &count, content_type);
  if (x->body.length >= EXPECT_FROM) add_header(x, &count, no_expect);
  return curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
}

static bool set_method(const exchange *x) {
  CURL *easy = x->easy;
  if (x->method == HTTP_POST) {
    return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
        (curl_off_t)x->body.length) == CURLE_OK
      && curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->body.data) == CURLE_OK;
  }
  return x->method == HTTP_GET
    || curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE") == CURLE_OK;
}

/* A handle that is kept has its method already, so one that did not get it must
 * not be. */
static bool take_handle(exchange *x) {
  transport *t = x->transport;
  if (x->method == HTTP_GET && t->idle_gets > 0) {
    x->easy = t->idle_get[--t->idle_gets];
    return true;
  }
  if (x->method == HTTP_DELETE && t->idle_deletes > 0) {
    x->easy = t->idle_delete[--t->idle_deletes];
    return true;
  }
  x->easy = easy_copy(t);
  if (x->easy == NULL || set_method(x)) return x->easy != NULL;
  curl_easy_cleanup(x->easy);
  x->easy = NULL;
  return false;
}

/* What the callbacks are called with. */
static bool set_context(exchange *x) {
  CURL *easy = x->easy;
  return curl_easy_setopt(easy, CURLOPT_WRITEDATA, x) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_HEADERDATA, x) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_PREREQDATA, x) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_PRIVATE, x) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->detail) == CURLE_OK;
}

/* A listing is likely as long as the one before it. */
static long piece_size(const exchange *x) {
  size_t listing = x->transport->listing;
  if (x->method != HTTP_GET || listing < PIECE_MIN) return PIECE_MIN;
  return listing < PIECE_MAX ? (long)listing : PIECE_MAX;
}

static bool set_request(exchange *x, long timeout_ms) {
  /* Refused by a handle that kept its buffer, which will do. */
  (void)curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, piece_size(x));
  return set_context(x) && set_headers(x)
    && curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 0L) == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_REQUEST_TARGET, x->target.data)
      == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
}

bool request_begin(exchange *x, long timeout_ms) {
  return take_handle(x) && set_request(x, timeout_ms);
}

bool request_again(exchange *x, CURLcode *code) {
  CURLM *multi = x->transport->multi;
  int64_t left = x->ends - transport_now();
  if (*code != CURLE_ABORTED_BY_CALLBACK) return false;
  x->detail[0] = '\0';
  *code = left > 0 ? CURLE_OUT_OF_MEMORY : CURLE_OPERATION_TIMEDOUT;
  return left > 0
    && curl_multi_remove_handle(multi, x->easy) == CURLM_OK
    && curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)left) == CURLE_OK
    && curl_multi_add_handle(multi, x->easy) == CURLM_OK;
}

/* A handle that carried a body is always destroyed, for libcurl keeps copies
 * in it; from 8.0 on it keeps request headers as well. */
static bool may_keep(const exchange *x) {
  return x->method != HTTP_POST
    && x->transport->libcurl < 0x080000;
}

void request_end(exchange *x) {
  transport *t = x->transport;
  CURL **idle = x->method == HTTP_GET ? t->idle_get : t->idle_delete;
  size_t *count = x->method == HTTP_GET ? &t->idle_gets : &t->idle_deletes;
  CURL *easy = x->easy;
  x->easy = NULL;
  if (easy == NULL) return;
  curl_multi_remove_handle(t->multi, easy);
  if (!may_keep(x) || *count == TRANSPORT_IDLE_MAX) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  idle[(*count)++] = easy;
}
