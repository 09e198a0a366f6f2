#include "http/wakeup.h"

#include "bytes/fork.h"
#include "bytes/memory.h"

/* How long a result counts while nothing is added or taken. */
#define COUNTS_MS 5000

static void set_signal(const wakeup *w, bool readable) {
  if (w->owner == fork_generation()) poller_signal(&w->poller, readable);
}

wakeup *wakeup_new(void) {
  static const poller closed = POLLER_CLOSED;
  wakeup *w = memory_alloc(sizeof *w);
  if (w == NULL) return NULL;
  w->references = 1;
  w->quiet = -1;
  w->poller = closed;
  return w;
}

bool wakeup_open(wakeup *w) {
  w->owner = fork_generation();
  w->pollable = true;
  return poller_open(&w->poller, w->finished > 0);
}

wakeup *wakeup_retain(wakeup *w) {
  w->references++;
  return w;
}

void wakeup_release(wakeup *w) {
  if (w == NULL || --w->references > 0) return;
  poller_close(&w->poller);
  memory_free(w, sizeof *w);
}

bool wakeup_renew(wakeup *w) {
  if (!w->pollable || w->owner == fork_generation()) return true;
  poller_close(&w->poller);
  if (!poller_open(&w->poller, w->finished > 0)) return false;
  w->owner = fork_generation();
  return true;
}

unsigned wakeup_add(wakeup *w) {
  w->quiet = -1;
  if (w->finished++ == 0) set_signal(w, true);
  return w->era;
}

void wakeup_take(wakeup *w, unsigned era) {
  if (era != w->era) return;
  w->quiet = -1;
  if (--w->finished == 0) set_signal(w, false);
}

void wakeup_look(wakeup *w, int64_t now) {
  if (w->quiet < 0) w->quiet = now;
  if (w->finished == 0 || now - w->quiet < COUNTS_MS) return;
  w->finished = 0;
  w->era++;
  set_signal(w, false);
}
