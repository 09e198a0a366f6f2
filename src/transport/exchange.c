#include "exchange.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "cleanse.h"
#include "easy.h"
#include "fork.h"
#include "memory.h"
#include "sigpipe.h"

#define TARGET_MAX (16 * 1024)
#define HEAD_MAX (64 * 1024)

/* What libcurl reads at once. It takes a buffer of that size for each exchange
 * and, where that is in force, wipes it afterwards. */
#define PIECE_MIN 1024
#define PIECE_MAX (128 * 1024)

/* From this size of a body on, libcurl asks the server first whether it may
 * send it, and waits a second for an answer. */
#define EXPECT_FROM (1024 * 1024)

#define TOGETHER_MS 10

void exchange_init(exchange *x, http_method method, size_t answer_limit) {
  memset(x, 0, sizeof *x);
  x->method = method;
  buffer_init(&x->target, TARGET_MAX);
  buffer_init(&x->body, (size_t)-1 / 2);
  buffer_init(&x->secret, SECRET_MAX);
  buffer_init(&x->answer, answer_limit);
}

/* --- what libcurl calls; bytes are copied here and nothing else --- */

/* The connection is there, and the request is about to be sent on it. */
static int count_send(
  void *context, char *remote, char *local, int remote_port, int local_port
) {
  exchange *x = context;
  (void)remote;
  (void)local;
  (void)remote_port;
  (void)local_port;
  x->sends++;
  cleanse_switch(x->easy, x->gets_token);
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

static bool is_success(const exchange *x) {
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
  if (x->length >= 0 && x->length != length && is_success(x)) {
    x->stopped = EXCHANGE_BROKEN;
  }
  x->length = length;
  x->framed = true;
}

/* Kept as text: reading it is left to the rare call that asks for it. */
static void keep_date(transport *t, const char *value, const char *end) {
  size_t length = (size_t)(end - value);
  if (length >= sizeof t->date) return;
  memcpy(t->date, value, length);
  t->date[length] = '\0';
  t->date_at = transport_now();
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
    keep_date(x->transport, value, end);
  } else if (
    is_header(line, length, "Content-Encoding", &value)
    && !is_identity(value, end) && is_success(x)
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

/* --- the handle --- */

/* A handle that carried a body is always destroyed, for libcurl keeps copies
 * in it; from 8.0 on it keeps request headers as well. */
static bool may_keep(const exchange *x) {
  return x->method != HTTP_POST
    && x->transport->libcurl < 0x080000;
}

static void drop_handle(exchange *x) {
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

bool exchange_set_callbacks(CURL *model) {
  return curl_easy_setopt(model, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK
    && curl_easy_setopt(model, CURLOPT_HEADERFUNCTION, take_header)
      == CURLE_OK
    && curl_easy_setopt(model, CURLOPT_PREREQFUNCTION, count_send)
      == CURLE_OK;
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
    && curl_easy_setopt(x->easy, CURLOPT_REQUEST_TARGET, x->target.data)
      == CURLE_OK
    && curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
}

/* --- its life --- */

static void enlist(exchange *x, transport *t) {
  x->transport = t;
  x->previous = NULL;
  x->next = t->exchanges;
  if (x->next != NULL) x->next->previous = x;
  t->exchanges = x;
}

static void leave(exchange *x) {
  transport *t = x->transport;
  if (x->next != NULL) x->next->previous = x->previous;
  if (x->previous != NULL) x->previous->next = x->next;
  if (t->exchanges == x) t->exchanges = x->next;
  x->transport = NULL;
}

/* Once for those that start together. */
static void check_idle(transport *t, int64_t now) {
  if (t->looked >= 0 && now - t->looked < TOGETHER_MS) return;
  connections_check_idle(&t->connections, t->sockets, t->socket_count);
  t->looked = now;
}

void exchange_start(exchange *x, transport *t, long timeout_ms) {
  int64_t now = transport_now();
  enlist(x, t);
  x->ends = now + timeout_ms;
  transport_expect(t, x->ends);
  check_idle(t, now);
  if (
    !take_handle(x) || !set_request(x, timeout_ms) || !transport_make_room(t)
    || curl_multi_add_handle(t->multi, x->easy) != CURLM_OK
  ) {
    exchange_stop(x, EXCHANGE_MEMORY);
  }
}

/* The header callback has the last word on completeness: for libcurl an answer
 * cut off within the header block is a success. A failure's status counts even
 * when its body is too long to be read. */
static exchange_end how_it_ended(const exchange *x) {
  if (x->stopped == EXCHANGE_TOO_LARGE && x->head_complete && !is_success(x)) {
    return EXCHANGE_ANSWERED;
  }
  if (x->stopped != EXCHANGE_RUNNING) return x->stopped;
  if (x->code == CURLE_OUT_OF_MEMORY && x->status == 0) return EXCHANGE_MEMORY;
  if (x->code == CURLE_OUT_OF_MEMORY) return EXCHANGE_TOO_LARGE;
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

/* libcurl may keep a connection on which sending failed, and OpenSSL would then
 * write what is left of this request in place of the next one. Once it is shut
 * down, libcurl finds it dead. */
static void retire_connection(const exchange *x) {
  curl_socket_t fd = CURL_SOCKET_BAD;
  if (x->code == CURLE_OK) return;
  curl_easy_getinfo(x->easy, CURLINFO_ACTIVESOCKET, &fd);
  if (fd != CURL_SOCKET_BAD) (void)shutdown(fd, SHUT_RDWR);
}

static void announce(exchange *x) {
  if (x->wakeup == NULL || x->announced) return;
  x->announced = true;
  wakeup_add(x->wakeup);
}

static void end(exchange *x, exchange_end how) {
  x->end = how;
  if (x->method == HTTP_GET) x->transport->listing = x->answer.length;
  settle_sends(x);
  drop_handle(x);
  leave(x);
  announce(x);
}

void exchange_finish(exchange *x, CURLcode code) {
  curl_off_t wait = 0;
  x->code = code;
  if (x->stopped == EXCHANGE_BROKEN) {
    x->code = CURLE_WEIRD_SERVER_REPLY;
    strcpy(x->detail, "the answer has two lengths");
  }
  if (curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK) {
    x->retry_after = wait > LONG_MAX ? LONG_MAX : (long)wait;
  }
  retire_connection(x);
  end(x, how_it_ended(x));
}

void exchange_stop(exchange *x, exchange_end how) {
  sigpipe_guard guard;
  if (x->transport == NULL) return;
  if (x->transport->owner != fork_generation()) {
    x->easy = NULL; /* the parent's */
  }
  sigpipe_block(&guard, x->transport->libcurl);
  end(x, how);
  sigpipe_restore(&guard);
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
  exchange_stop(x, EXCHANGE_CANCELLED);
  if (x->announced) wakeup_take(x->wakeup);
  wakeup_release(x->wakeup);
  x->announced = false;
  x->wakeup = NULL;
  buffer_free(&x->target);
  buffer_free(&x->body);
  buffer_free(&x->secret);
  buffer_free(&x->answer);
  authorization_free(&x->authorization);
}
