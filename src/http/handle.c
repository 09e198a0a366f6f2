#include "http/handle.h"

#include <string.h>

/* What libcurl reads at once. It takes a buffer of that size for each exchange
 * and, where that is in force, wipes it afterwards. */
#define PIECE_MIN 1024
#define PIECE_MAX (128 * 1024)

/* From this size of a body on, libcurl asks the server first whether it may
 * send it, and waits a second for an answer. */
#define EXPECT_FROM (1024 * 1024)

/* The header list of a request. */
typedef struct header_list {
  struct curl_slist *nodes; /* EXCHANGE_HEADERS_MAX of them */
  size_t count;
  bool full;                /* one more was added than there is room for */
} header_list;

/* Our own list nodes, so that libcurl does not copy the Authorization line. */
static void add_header(header_list *list, char *line) {
  struct curl_slist *node = &list->nodes[list->count];
  if (list->count == EXCHANGE_HEADERS_MAX) {
    list->full = true;
    return;
  }
  node->data = line;
  node->next = NULL;
  if (list->count > 0) node[-1].next = node;
  list->count++;
}

static bool set_headers(exchange *x, const model *m) {
  static char accept[] = "Accept: application/json";
  static char content_type[] = "Content-Type: application/json";
  static char no_expect[] = "Expect:";
  header_list list = {x->headers, 0, false};
  if (x->authorization.line != NULL) {
    add_header(&list, x->authorization.line->bytes);
  }
  add_header(&list, accept);
  if (m->agent.length > 0) add_header(&list, m->agent.data);
  if (x->method == HTTP_POST) add_header(&list, content_type);
  if (x->body.length >= EXPECT_FROM) add_header(&list, no_expect);
  return !list.full
    && curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
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

static handle_stock *stock_of(handles *h, http_method method) {
  return method == HTTP_GET ? &h->gets : &h->deletes;
}

/* A handle that is kept has its method already, so one that did not get it must
 * not be. */
bool handle_take(handles *h, const model *m, exchange *x) {
  handle_stock *stock = stock_of(h, x->method);
  if (x->method != HTTP_POST && stock->count > 0) {
    x->easy = stock->kept[--stock->count];
    return true;
  }
  x->easy = model_copy(m);
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

static long piece_size(size_t answer) {
  if (answer < PIECE_MIN) return PIECE_MIN;
  return answer < PIECE_MAX ? (long)answer : PIECE_MAX;
}

bool handle_set_up(exchange *x, const model *m, size_t answer, long ms) {
  /* Refused by a handle that kept its buffer, which will do. */
  (void)curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, piece_size(answer));
  return set_context(x) && set_headers(x, m)
    && curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 0L) == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_REQUEST_TARGET, x->target.data)
      == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK;
}

bool handle_renew(exchange *x, long ms) {
  return curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK;
}

/* A handle that carried a body is always destroyed, for libcurl keeps copies
 * in it; from 8.0 on it keeps request headers as well. */
static bool may_keep(const model *m, const exchange *x) {
  return x->method != HTTP_POST && m->libcurl < 0x080000;
}

void handle_give_back(handles *h, const model *m, exchange *x) {
  handle_stock *stock = stock_of(h, x->method);
  CURL *easy = x->easy;
  x->easy = NULL;
  if (!may_keep(m, x) || stock->count == HANDLES_MAX) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  stock->kept[stock->count++] = easy;
}

static void clean_up(handle_stock *stock) {
  while (stock->count > 0) curl_easy_cleanup(stock->kept[--stock->count]);
}

void handles_free(handles *h) {
  clean_up(&h->gets);
  clean_up(&h->deletes);
}

void handles_forget(handles *h) {
  memset(h, 0, sizeof *h);
}
