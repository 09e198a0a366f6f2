/* A TLS server that answers every request rightly and counts what it did. It
 * is a process of its own, so that neither its memory nor its descriptors mix
 * with those under test. */
#ifndef TORTURE_SERVER_H
#define TORTURE_SERVER_H

#include <stdbool.h>
#include <stdatomic.h>

/* What the client is to send; a request without it is refused. */
#define SERVER_TOKEN "torture-token-0123456789abcdef"
#define SERVER_SECRET_KEY "torture-secretKey-0123456789abcdef"

/* A request that holds this word is counted apart. */
#define SERVER_UNDISTURBED "undisturbed"

typedef enum served {
  SERVED_LIST,
  SERVED_PUT,
  SERVED_DELETE,
  SERVED_AUTHENTICATE,
  SERVED_KINDS
} served;

typedef struct server {
  int port;
  /* Shared with the server's process. */
  struct tally {
    atomic_long disturbed[SERVED_KINDS];
    atomic_long undisturbed[SERVED_KINDS];
    atomic_long ended; /* connections that were closed on both sides */
  } *tally;
} server;

/* Starts it on a free port of 127.0.0.1 with server.pem (key and certificate)
 * of the directory; it ends with this process. False when it cannot start. */
bool server_start(server *s, const char *certificates);

/* Waits until all of so many connections have ended; false when they do not
 * within some seconds. */
bool server_settled(const server *s, long connections);

#endif
