#include "connections.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory.h"

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

#define DRAIN_PIECES 64

bool connections_make_room(connections *c, size_t more) {
  curl_socket_t *sockets;
  if (more <= c->capacity - c->count) return true;
  sockets = memory_grow(
    c->sockets, c->count, &c->capacity, c->count + more, sizeof *sockets
  );
  if (sockets == NULL) return false;
  c->sockets = sockets;
  return true;
}

/* Close-on-exec, so that a host's child processes do not inherit it. */
static curl_socket_t open_socket(
  void *context, curlsocktype purpose, struct curl_sockaddr *address
) {
  connections *c = context;
  curl_socket_t fd;
  (void)purpose;
  if (!connections_make_room(c, 1)) return CURL_SOCKET_BAD;
  fd = socket(
    address->family, address->socktype | SOCK_CLOEXEC, address->protocol
  );
  if (fd != CURL_SOCKET_BAD) c->sockets[c->count++] = fd;
  return fd;
}

static int close_socket(void *context, curl_socket_t fd) {
  connections *c = context;
  size_t i;
  for (i = 0; i < c->count; i++) {
    if (c->sockets[i] == fd) {
      c->sockets[i] = c->sockets[--c->count];
      break;
    }
  }
  return close(fd);
}

CURLcode connections_watch(CURL *easy, connections *c) {
  CURLcode code = curl_easy_setopt(
    easy, CURLOPT_OPENSOCKETFUNCTION, open_socket
  );
  if (code == CURLE_OK) {
    code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
  }
  if (code == CURLE_OK) {
    code = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  }
  if (code == CURLE_OK) {
    code = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
  }
  return code;
}

static bool is_busy(
  curl_socket_t fd, const struct pollfd *busy, size_t busy_count
) {
  size_t i;
  for (i = 0; i < busy_count; i++) {
    if (busy[i].fd == fd) return true;
  }
  return false;
}

/* libcurl closes a connection that it finds shut down and empty. */
static void retire(curl_socket_t fd) {
  char piece[4096];
  int i;
  (void)shutdown(fd, SHUT_RDWR);
  for (i = 0; i < DRAIN_PIECES; i++) {
    if (recv(fd, piece, sizeof piece, MSG_DONTWAIT) <= 0) return;
  }
}

void connections_check_idle(
  const connections *c, const struct pollfd *busy, size_t busy_count
) {
  size_t i;
  for (i = 0; i < c->count; i++) {
    char byte;
    curl_socket_t fd = c->sockets[i];
    if (is_busy(fd, busy, busy_count)) continue;
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) retire(fd);
  }
}

void connections_free(connections *c) {
  memory_free(c->sockets, c->capacity * sizeof *c->sockets);
  memset(c, 0, sizeof *c);
}
