/* The sockets of a transport's connections, for what libcurl does not do about
 * them: close-on-exec, and a look at what came in while they were idle. */
#ifndef BYTENITE_CONNECTIONS_H
#define BYTENITE_CONNECTIONS_H

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct connections {
  curl_socket_t *sockets;
  size_t count;
  size_t capacity;
} connections;

/* Makes every connection of this handle, and of its copies, known to `c`. */
CURLcode connections_watch(CURL *easy, connections *c);

/* Makes room for so many more: a shortage while libcurl opens one would pass
 * for a server that cannot be reached. False when memory is short. */
bool connections_make_room(connections *c, size_t more);

/* Ends the idle connections on which bytes came that nobody asked for: the next
 * request would take them for its answer. `busy` are the
 * sockets of exchanges under way. */
void connections_check_idle(
  const connections *c, const struct pollfd *busy, size_t busy_count
);

/* Forgets all sockets without closing them. */
void connections_free(connections *c);

#endif
