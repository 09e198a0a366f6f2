/* The sockets of a transport's connections, for what libcurl does not do about
 * them: close-on-exec, and a look for bytes that came in while one was idle.
 *
 * Only sockets that have carried an exchange are remembered. From 7.88.0 to
 * 8.1.2 libcurl closes a socket that never got connected without calling us
 * (https://github.com/curl/curl/pull/11439), so that its number may belong to
 * the host by now. */
#ifndef BYTENITE_CONNECTIONS_H
#define BYTENITE_CONNECTIONS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct connection {
  curl_socket_t fd;
  int local_port; /* by which libcurl names a connection to our callbacks */
} connection;

typedef struct connections {
  connection *used;
  size_t count;
  size_t capacity;
} connections;

/* Lets this handle and its copies open and close sockets through `c`. */
CURLcode connections_watch(CURL *easy, connections *c);

/* Makes room for `more` connections. False when memory is short. */
bool connections_make_room(connections *c, size_t more);

/* Remembers a connection that carried an exchange and is kept. There must be
 * room for it. */
void connections_add(connections *c, curl_socket_t fd, int local_port);

/* True if bytes that nobody asked for wait on the kept connection with this
 * local port: the next request would take them for its answer. */
bool connections_has_input(const connections *c, int local_port);

/* Forgets all sockets without closing them. */
void connections_free(connections *c);

#endif
