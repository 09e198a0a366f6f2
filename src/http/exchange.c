#include "http/exchange.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "bytes/clock.h"
#include "http/tls/cleanse.h"

#define TARGET_MAX (16 * 1024)
#define HEAD_MAX (64 * 1024)

/* CURLE_TOO_LARGE, since 8.6: what ends too long or too many headers. Before,
 * CURLE_OUT_OF_MEMORY did. */
#define CODE_TOO_LARGE ((CURLcode)100)

void exchange_init(exchange *x, http_method method, size_t answer_limit) {
  memset(x, 0, sizeof *x);
  x->method = method;
  buffer_init(&x->target, TARGET_MAX);
  buffer_init(&x->body, (size_t)-1 / 2);
  buffer_init(&x->secret, SECRET_MAX);
  buffer_init(&x->answer, answer_limit);
}

/* --- what libcurl calls; bytes are copied here and nothing else --- */

/* True if the connection that libcurl chose holds bytes of no answer to this
 * request: still in its socket, or decrypted already. */
static bool has_input(const exchange *x) {
  return connections_has_input(x->connections, x->local_port)
    || cleanse_has_pending(x->easy);
}

/* The connection is there, and the request is about to be sent on it. */
static int count_send(
  void *context, char *remote, char *local, int remote_port, int local_port
) {
  exchange *x = context;
  (void)remote;
  (void)local;
  (void)remote_port;
  x->local_port = local_port;
  if (!x->stale && has_input(x)) {
    x->stale = true;
    return CURL_PREREQFUNC_ABORT;
  }
  x->sends++;
  cleanse_switch(x->easy, x->method == HTTP_POST);
  return CURL_PREREQFUNC_OK;
}

/* Room for the whole body at once when the server says how long it is. */
static void reserve_answer(exchange *x) {
  curl_off_t length = -1;
  curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length > 0 && (unsigned long long)length <= x->answer.limit) {
    buffer_reserve(&x->answer, (size_t)length);
  }
}

static size_t take_body(char *data, size_t one, size_t length, void *context) {
  exchange *x = context;
  (void)one;
  if (x->answer.length == 0) reserve_answer(x);
  if (buffer_append(&x->answer, data, length)) return length;
  x->stopped = x->answer.state == BUFFER_FULL
    ? EXCHANGE_TOO_LARGE : EXCHANGE_MEMORY;
  return 0;
}

bool exchange_is_success(const exchange *x) {
  return x->status >= 200 && x->status < 300;
}

/* Whether a header line has this name; `*value` is what follows the colon. */
static bool is_header(
  const char *line, size_t length, const char *name, const char **value
) {
  size_t name_length = strlen(name);
  if (length <= name_length || line[name_length] != ':') return false;
  if (strncasecmp(line, name, name_length) != 0) return false;
  *value = line + name_length + 1;
  return true;
}

static bool is_identity(const char *value, const char *end) {
  static const char identity[] = "identity";
  while (value < end && (*value == ' ' || *value == '\t')) value++;
  while (end > value && strchr(" \t\r\n", end[-1]) != NULL) end--;
  return value == end || (
    (size_t)(end - value) == sizeof identity - 1
    && strncasecmp(value, identity, sizeof identity - 1) == 0
  );
}

/* The number that a header's text starts with, spaces before it left out; -1
 * when there is none. libcurl does not end the text with a NUL. */
static long read_number(const char *at, const char *end) {
  long number = 0;
  while (at < end && (*at == ' ' || *at == '\t')) at++;
  if (at == end || *at < '0' || *at > '9') return -1;
  for (; at < end && *at >= '0' && *at <= '9'; at++) {
    if (number < LONG_MAX / 10 - 1) number = number * 10 + (*at - '0');
  }
  return number;
}

/* Two lengths that differ would let a part of the body pass for all of it. */
static void read_length(exchange *x, const char *value, const char *end) {
  long length = read_number(value, end);
  if (x->length >= 0 && x->length != length && exchange_is_success(x)) {
    x->stopped = EXCHANGE_BROKEN;
  }
  x->length = length;
  x->framed = true;
}

/* Kept as text: reading it is left to the rare call that asks for it. */
static void keep_date(exchange *x, const char *value, const char *end) {
  size_t length = (size_t)(end - value);
  if (length >= sizeof x->date) return;
  memcpy(x->date, value, length);
  x->date[length] = '\0';
  x->date_at = clock_now();
}

/* A header block starts with its status line. An interim one (1xx) is followed
 * by another, and only the empty line at its end makes one complete. */
static void read_header(exchange *x, const char *line, size_t length) {
  const char *end = line + length;
  const char *value;
  if (length > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
    const char *space = memchr(line, ' ', length);
    x->status = space == NULL ? 0 : read_number(space, end);
    x->head_complete = false;
    x->framed = x->status == 204; /* which has no body */
    x->length = -1;
  } else if (length <= 2 && (line[0] == '\r' || line[0] == '\n')) {
    x->head_complete = x->status >= 200;
  } else if (is_header(line, length, "Content-Length", &value)) {
    read_length(x, value, end);
  } else if (is_header(line, length, "Transfer-Encoding", &value)) {
    x->framed = true;
  } else if (is_header(line, length, "Date", &value)) {
    keep_date(x, value, end);
  } else if (
    is_header(line, length, "Content-Encoding", &value)
    && !is_identity(value, end) && exchange_is_success(x)
  ) {
    x->stopped = EXCHANGE_ENCODED;
  }
}

static size_t take_header(
  char *data, size_t one, size_t length, void *context
) {
  exchange *x = context;
  (void)one;
  x->head_bytes += length;
  if (x->head_bytes > HEAD_MAX) x->stopped = EXCHANGE_TOO_LARGE;
  if (length > 0) read_header(x, data, length);
  return x->stopped == EXCHANGE_RUNNING ? length : 0;
}

bool exchange_set_callbacks(CURL *model) {
  return curl_easy_setopt(model, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK
    && curl_easy_setopt(model, CURLOPT_HEADERFUNCTION, take_header)
      == CURLE_OK
    && curl_easy_setopt(model, CURLOPT_PREREQFUNCTION, count_send)
      == CURLE_OK;
}

/* --- its end --- */

/* The header callback has the last word on completeness: for libcurl an answer
 * cut off within the header block is a success. A failure's status counts even
 * when its body is too long to be read. */
exchange_end exchange_verdict(const exchange *x) {
  if (
    x->stopped == EXCHANGE_TOO_LARGE && x->head_complete
    && !exchange_is_success(x)
  ) {
    return EXCHANGE_ANSWERED;
  }
  if (x->stopped != EXCHANGE_RUNNING) return x->stopped;
  if (x->code == CURLE_OUT_OF_MEMORY && x->status == 0) return EXCHANGE_MEMORY;
  if (x->code == CURLE_OUT_OF_MEMORY) return EXCHANGE_TOO_LARGE;
  if (x->code == CODE_TOO_LARGE && x->sends > 0) return EXCHANGE_TOO_LARGE;
  if (x->code != CURLE_OK) return EXCHANGE_BROKEN;
  return x->head_complete ? EXCHANGE_ANSWERED : EXCHANGE_INCOMPLETE;
}

/* A request whose sending failed before anything was written did not leave.
 * After other failures libcurl's size says nothing: some versions do not count
 * what they write later than at the first go, 8.7 counts nothing at all. */
static void settle_sends(exchange *x) {
  long request_size = 0;
  if (x->easy == NULL || x->code != CURLE_SEND_ERROR || x->sends == 0) return;
  curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &request_size);
  if (request_size == 0) x->sends--;
}

static void announce(exchange *x) {
  if (x->wakeup == NULL || x->announced) return;
  x->announced = true;
  x->era = wakeup_add(x->wakeup);
}

/* libcurl does not always say more than its code. */
static void explain(exchange *x) {
  if (*x->detail != '\0') return;
  strncpy(x->detail, curl_easy_strerror(x->code), sizeof x->detail - 1);
}

void exchange_conclude(exchange *x, exchange_end how) {
  settle_sends(x);
  if (how == EXCHANGE_BROKEN) explain(x);
  x->end = how;
  announce(x);
}

void exchange_announce(exchange *x, wakeup *w) {
  x->wakeup = wakeup_retain(w);
  if (x->end != EXCHANGE_RUNNING) announce(x);
}

void exchange_signal(exchange *x) {
  x->end = EXCHANGE_ANSWERED;
  announce(x);
}

void exchange_free(exchange *x) {
  if (x->announced) wakeup_take(x->wakeup, x->era);
  wakeup_release(x->wakeup);
  x->announced = false;
  x->wakeup = NULL;
  buffer_free(&x->target);
  buffer_free(&x->body);
  buffer_free(&x->secret);
  buffer_free(&x->answer);
  authorization_free(&x->authorization);
}
