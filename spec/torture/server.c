#include "server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX (16 * 1024)
#define SETTLE_SECONDS 5
#define BACKLOG 64

static SSL_CTX *tls;
static struct tally *tally;

/* --- answers --- */

/* In two chunks, with what JSON decoding treats apart: an empty array, an
 * integer beyond 2^53, null, an escape. */
static const char list_answer[] =
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
  "Transfer-Encoding: chunked\r\n\r\n"
  "8e\r\n"
  "{\"secrets\":[{\"id\":\"one\",\"secretType\":\"s3\",\"expiresAt\":null,"
  "\"accessKey\":\"AKIA\",\"params\":{\"none\":[],\"big\":12345678901234567,"
  "\"half\":0.5},\"name\":\"\r\n"
  "cb\r\n"
  "caf\\u00e9\"},{\"id\":\"two\",\"secretType\":\"s3\",\"params\":{\"nested\":"
  "{\"list\":[1,[2,[3]],true]}},\"name\":\"a name that is long enough to make "
  "the buffer of the answer grow once more\",\"ownField\":\"kept as it came\"}"
  "]}\r\n"
  "0\r\n\r\n";

static const char put_answer[] =
  "{\"ok\":true,\"requestId\":\"request-put\",\"message\":\"stored\"}";
static const char delete_answer[] =
  "{\"ok\":true,\"requestId\":\"request-delete\"}";
static const char missing_answer[] =
  "{\"ok\":false,\"requestId\":\"request-missing\",\"error\":{\"code\":404,"
  "\"message\":\"not found\",\"description\":\"there is none\"}}";
static const char token_answer[] =
  "{\"token\":\"" SERVER_TOKEN "\",\"expiresIn\":\"3600\","
  "\"scope\":\"secrets\"}";

static void answer(SSL *ssl, const char *status, const char *body) {
  char text[1024];
  int length = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Type: "
    "application/json\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
    body);
  SSL_write(ssl, text, length);
}

/* --- requests --- */

static served kind_of(const char *request) {
  if (strncmp(request, "GET ", 4) == 0) return SERVED_LIST;
  if (strncmp(request, "DELETE ", 7) == 0) return SERVED_DELETE;
  if (strncmp(request, "POST /v1/auth/access_token ", 27) == 0) {
    return SERVED_AUTHENTICATE;
  }
  return SERVED_PUT;
}

/* Whether a request is whole in what it has to carry. */
static bool is_right(const char *request, served kind) {
  if (kind == SERVED_AUTHENTICATE) {
    return strstr(request, "{\"apiKey\":\"") != NULL;
  }
  if (strstr(request, "\r\nAuthorization: " SERVER_TOKEN "\r\n") == NULL) {
    return false;
  }
  return kind != SERVED_PUT
    || strstr(request, "\"secretKey\":\"" SERVER_SECRET_KEY "\"}") != NULL;
}

/* Counted first, so that a client that has an answer finds it counted. */
static void serve(SSL *ssl, const char *request) {
  served kind = kind_of(request);
  if (!is_right(request, kind)) {
    answer(ssl, "401 Unauthorized", "{}");
    return;
  }
  if (strstr(request, SERVER_UNDISTURBED) != NULL) {
    atomic_fetch_add(&tally->undisturbed[kind], 1);
  } else {
    atomic_fetch_add(&tally->disturbed[kind], 1);
  }
  if (kind == SERVED_LIST) {
    SSL_write(ssl, list_answer, sizeof list_answer - 1);
  } else if (kind == SERVED_PUT) {
    answer(ssl, "200 OK", put_answer);
  } else if (kind == SERVED_AUTHENTICATE) {
    answer(ssl, "200 OK", token_answer);
  } else if (strstr(request, "/missing") != NULL) {
    answer(ssl, "404 Not Found", missing_answer);
  } else {
    answer(ssl, "200 OK", delete_answer);
  }
}

/* Reads one request, as text; false when the connection ends before it does. */
static bool read_request(SSL *ssl, char *request) {
  size_t length = 0;
  for (;;) {
    const char *end;
    const char *declared;
    size_t body = 0;
    int got = SSL_read(ssl, request + length, (int)(REQUEST_MAX - length));
    if (got <= 0) return false;
    length += (size_t)got;
    request[length] = '\0';
    end = strstr(request, "\r\n\r\n");
    if (end == NULL) continue;
    declared = strstr(request, "\r\nContent-Length: ");
    if (declared != NULL) body = strtoul(declared + 18, NULL, 10);
    if (length >= (size_t)(end + 4 - request) + body) return true;
  }
}

/* --- connections --- */

static void *run_connection(void *context) {
  int fd = (int)(intptr_t)context;
  const int on = 1;
  char request[REQUEST_MAX + 1];
  SSL *ssl = SSL_new(tls);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
    while (read_request(ssl, request)) serve(ssl, request);
  }
  SSL_free(ssl);
  ERR_clear_error();
  close(fd);
  atomic_fetch_add(&tally->ended, 1);
  return NULL;
}

static void run_server(int listener) {
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    pthread_t thread;
    if (fd < 0) continue;
    if (pthread_create(&thread, NULL, run_connection, (void *)(intptr_t)fd)
        != 0) {
      _exit(1);
    }
    pthread_detach(thread);
  }
}

static bool open_tls(const char *certificates) {
  char path[4096];
  snprintf(path, sizeof path, "%s/server.pem", certificates);
  tls = SSL_CTX_new(TLS_server_method());
  return tls != NULL
    && SSL_CTX_use_certificate_file(tls, path, SSL_FILETYPE_PEM) == 1
    && SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM) == 1;
}

static int open_listener(int *port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (
    fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0
    || listen(fd, BACKLOG) != 0
    || getsockname(fd, (struct sockaddr *)&address, &length) != 0
  ) {
    return -1;
  }
  *port = ntohs(address.sin_port);
  return fd;
}

/* --- for the harness --- */

bool server_start(server *s, const char *certificates) {
  int listener = open_listener(&s->port);
  pid_t parent = getpid();
  pid_t child;
  tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE,
    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (listener < 0 || tally == MAP_FAILED) return false;
  s->tally = tally;
  child = fork();
  if (child == 0) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || !open_tls(certificates)) _exit(1);
    run_server(listener);
  }
  close(listener);
  return child > 0;
}

bool server_settled(const server *s, long connections) {
  const struct timespec moment = {0, 50000};
  time_t end = time(NULL) + SETTLE_SECONDS;
  while (atomic_load(&s->tally->ended) < connections) {
    if (time(NULL) > end) return false;
    nanosleep(&moment, NULL);
  }
  return true;
}
