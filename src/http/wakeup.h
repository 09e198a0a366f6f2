/* How those who wait for exchanges learn that something finished: a count of
 * what is finished and not yet taken, and, for event loops, one descriptor that
 * is readable as long as there is any, or a socket that libcurl waits for is
 * ready (epoll(7), so only on Linux). No wake-up is lost, however many wait.
 *
 * What nobody takes, because its coroutine is kept and not resumed, or its
 * finalizer could not be called, would let a loop spin for good. After a while
 * in which nothing was added or taken all that is finished no longer counts;
 * its owners still look when the time that they wait for is up. */
#ifndef BYTENITE_WAKEUP_H
#define BYTENITE_WAKEUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wakeup {
  size_t finished;   /* and not yet taken */
  unsigned era;      /* how often what was finished no longer counted */
  int64_t quiet;     /* since when nothing was added or taken; -1: not known */
  size_t references;
  long owner;        /* the process that the descriptors belong to */
  bool pollable;
  int epoll;         /* both -1 when there are none */
  int event;         /* within `epoll`; readable while `finished` > 0 */
} wakeup;

/* With one reference. NULL when memory is short. */
wakeup *wakeup_new(void);

/* Adds the descriptor for event loops. False when the process has no more to
 * give, or the system has no epoll. */
bool wakeup_open(wakeup *w);

wakeup *wakeup_retain(wakeup *w);

/* One owner less; the last one closes the descriptors. NULL is allowed. */
void wakeup_release(wakeup *w);

/* In a forked child: descriptors of its own, for those it inherited act on the
 * parent's. False when there are none to be had; it may be tried again. */
bool wakeup_renew(wakeup *w);

/* One more is finished: the era in which it was. */
unsigned wakeup_add(wakeup *w);

/* One that was finished in this era is taken. */
void wakeup_take(wakeup *w, unsigned era);

/* An event loop looks, at this time in monotonic ms. */
void wakeup_look(wakeup *w, int64_t now);

/* Watches a socket for these events of poll(2), or for others than before; 0
 * for none. False when the system is short of memory. */
bool wakeup_watch(const wakeup *w, int fd, short events);

#endif
