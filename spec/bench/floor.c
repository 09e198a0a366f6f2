/* Contestant: the physical limit. One connection, the request's bytes ready
 * made, and the answer read but not looked at: only its length is known, from
 * the first one. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "contestant.h"

typedef struct connection {
  int fd;
  SSL *tls; /* NULL for plain HTTP */
  char request[2048];
  size_t request_length;
  size_t answer_length;
} connection;

static void connect_to(connection *n, const char *base) {
  struct sockaddr_in address = {0};
  const char *port = strrchr(base, ':');
  int on = 1;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)atoi(port + 1));
  n->fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  contestant_require(
    connect(n->fd, (struct sockaddr *)&address, sizeof address) == 0,
    "no connection"
  );
}

static void start_tls(connection *n, const char *ca_file) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_load_verify_locations(context, ca_file, NULL);
  n->tls = SSL_new(context);
  SSL_set_fd(n->tls, n->fd);
  contestant_require(SSL_connect(n->tls) == 1, "no TLS");
}

static void write_request(connection *n, const contestant *c) {
  static const char *const methods[] = {"GET", "POST", "DELETE"};
  bool put = c->operation == OPERATION_PUT;
  n->request_length = (size_t)snprintf(
    n->request, sizeof n->request,
    "%s %s HTTP/1.1\r\nHost: %s\r\n" AUTHORIZATION "\r\n"
    "Accept: application/json\r\n",
    methods[c->operation], c->url + strlen(c->base), strstr(c->base, "//") + 2
  );
  n->request_length += (size_t)snprintf(
    n->request + n->request_length, sizeof n->request - n->request_length,
    put ? "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s"
      : "\r\n",
    sizeof BODY - 1, BODY
  );
}

static void send_request(connection *n) {
  int length = (int)n->request_length;
  int sent = n->tls != NULL ? SSL_write(n->tls, n->request, length)
    : (int)send(n->fd, n->request, n->request_length, 0);
  contestant_require(sent == length, "not sent");
}

static size_t receive(connection *n, char *answer, size_t room) {
  int got = n->tls != NULL ? SSL_read(n->tls, answer, (int)room)
    : (int)recv(n->fd, answer, room, 0);
  contestant_require(got > 0, "no answer");
  return (size_t)got;
}

static void call(connection *n) {
  char answer[8192];
  size_t got = 0;
  send_request(n);
  do {
    got += receive(n, answer + got, sizeof answer - got);
  } while (got < n->answer_length);
}

/* The first answer says how long all of them are. */
static void learn_length(connection *n) {
  char answer[8192];
  const char *length;
  const char *end;
  size_t got;
  send_request(n);
  got = receive(n, answer, sizeof answer - 1);
  answer[got] = '\0';
  length = strstr(answer, "Content-Length: ");
  end = strstr(answer, "\r\n\r\n");
  contestant_require(length != NULL && end != NULL, "no HTTP");
  n->answer_length = (size_t)(end + 4 - answer) + (size_t)atoi(length + 16);
  while (got < n->answer_length) got += receive(n, answer, sizeof answer);
}

static void calls(void *context, long count) {
  for (; count > 0; count--) call(context);
}

int main(int argc, char **argv) {
  contestant c;
  connection n = {0};
  contestant_arguments(&c, argc, argv);
  connect_to(&n, c.base);
  if (c.ca_file != NULL) start_tls(&n, c.ca_file);
  write_request(&n, &c);
  learn_length(&n);
  contestant_time(&c, calls, &n);
  return 0;
}
