/* One descriptor that an event loop can wait for: readable when one of the
 * watched sockets is ready, or after poller_signal. This is the one place that
 * names a system's interface for that: epoll(7) and eventfd(2) on Linux. Other
 * systems have none yet, and poller_open refuses. */
#ifndef BYTENITE_POLLER_H
#define BYTENITE_POLLER_H

#include <stdbool.h>

typedef struct poller {
  int fd;     /* what a loop waits for; -1 when there is none */
  int signal; /* within it, or -1 */
} poller;

#define POLLER_CLOSED {-1, -1}

/* Opens a closed poller, signalled or not. False when the process has no more
 * descriptors, or this system has no such interface. */
bool poller_open(poller *p, bool signalled);

/* Makes the descriptor readable, or takes that back. In turns only: a signal
 * that is set is not set again. */
void poller_signal(const poller *p, bool readable);

/* Watches a socket for these events of poll(2), or for others than before; 0
 * for none. True if there is nothing to watch with. False when the system is
 * short of memory. */
bool poller_watch(const poller *p, int fd, short events);

/* Idempotent. */
void poller_close(poller *p);

#endif
