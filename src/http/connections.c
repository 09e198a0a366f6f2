#include "http/connections.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes/memory.h"

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

/* Close-on-exec, so that a host's child processes do not inherit it. */
static curl_socket_t open_socket(
  void *context, curlsocktype purpose, struct curl_sockaddr *address
) {
  (void)context;
  (void)purpose;
  return socket(
    address->family, address->socktype | SOCK_CLOEXEC, address->protocol
  );
}

static connection *find_socket(const connections *c, curl_socket_t fd) {
  size_t i;
  for (i = 0; i < c->count; i++) {
    if (c->used[i].fd == fd) return &c->used[i];
  }
  return NULL;
}

static int close_socket(void *context, curl_socket_t fd) {
  connections *c = context;
  connection *closed = find_socket(c, fd);
  if (closed != NULL) *closed = c->used[--c->count];
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

bool connections_make_room(connections *c, size_t more) {
  connection *used;
  if (more <= c->capacity - c->count) return true;
  used = memory_grow(
    c->used, c->count, &c->capacity, c->count + more, sizeof *used
  );
  if (used == NULL) return false;
  c->used = used;
  return true;
}

void connections_add(connections *c, curl_socket_t fd, int local_port) {
  connection *entry = find_socket(c, fd);
  if (entry == NULL) entry = &c->used[c->count++];
  entry->fd = fd;
  entry->local_port = local_port;
}

static bool has_input(curl_socket_t fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool connections_has_input(const connections *c, int local_port) {
  size_t i;
  for (i = 0; i < c->count; i++) {
    const connection *entry = &c->used[i];
    if (entry->local_port == local_port && has_input(entry->fd)) return true;
  }
  return false;
}

void connections_free(connections *c) {
  memory_free(c->used, c->capacity * sizeof *c->used);
  memset(c, 0, sizeof *c);
}
