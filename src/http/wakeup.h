/* How those who wait for exchanges learn that one has finished: a count of
 * results that are not yet collected, and, for event loops, one descriptor that
 * is readable as long as there is any, or a socket that libcurl waits for is
 * ready. No wake-up is lost, however many wait.
 *
 * A result that is never collected, because its coroutine is kept and not
 * resumed or its finalizer could not be called, would keep the descriptor
 * readable and make the loop spin. So after a while without a change all
 * uncollected results stop counting; their owners still look when the time that
 * they wait for is up. */
#ifndef BYTENITE_WAKEUP_H
#define BYTENITE_WAKEUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/poller.h"

typedef struct wakeup {
  size_t finished;   /* results that count */
  unsigned era;      /* how often uncollected results stopped counting */
  int64_t quiet;     /* since when nothing was added or taken; -1: not known */
  size_t references;
  long owner;        /* the process that the descriptors belong to */
  bool pollable;
  poller poller;
} wakeup;

/* Makes one with one reference. NULL when memory is short. */
wakeup *wakeup_new(void);

/* Adds the descriptor for event loops. False when the process has no more to
 * give, or the system has no interface for it. */
bool wakeup_open(wakeup *w);

wakeup *wakeup_retain(wakeup *w);

/* Drops a reference; the last one closes the descriptors. NULL is allowed. */
void wakeup_release(wakeup *w);

/* In a forked child, takes descriptors of its own: those that it inherited act
 * on the parent's. False when there are none to be had; it may be tried
 * again. */
bool wakeup_renew(wakeup *w);

/* Counts one more result. Returns the era in which it was added. */
unsigned wakeup_add(wakeup *w);

/* The owner has collected a result that was added in `era`. Does nothing if
 * that era was written off. */
void wakeup_take(wakeup *w, unsigned era);

/* Called whenever an event loop asks what to wait for; `now` is monotonic ms.
 * Writes off results that nobody has collected for a while. */
void wakeup_look(wakeup *w, int64_t now);

#endif
