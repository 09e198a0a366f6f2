#include "http/wakeup.h"

#include <poll.h>
#include <unistd.h>

#include "bytes/fork.h"
#include "bytes/memory.h"

/* How long what is finished counts while nothing is added or taken. */
#define COUNTS_MS 5000

#ifdef __linux__

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static bool add_descriptor(const wakeup *w, int fd, uint32_t events, int how) {
  struct epoll_event event = {0, {0}};
  event.events = events;
  event.data.fd = fd;
  return epoll_ctl(w->epoll, how, fd, &event) == 0;
}

static void close_descriptors(wakeup *w) {
  if (w->event >= 0) close(w->event);
  if (w->epoll >= 0) close(w->epoll);
  w->event = -1;
  w->epoll = -1;
}

static bool open_descriptors(wakeup *w) {
  w->epoll = epoll_create1(EPOLL_CLOEXEC);
  w->event = eventfd(w->finished > 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (
    w->epoll >= 0 && w->event >= 0
    && add_descriptor(w, w->event, EPOLLIN, EPOLL_CTL_ADD)
  ) {
    return true;
  }
  close_descriptors(w);
  return false;
}

static void set_event(const wakeup *w, bool readable) {
  uint64_t count = 1;
  ssize_t done;
  if (w->event < 0 || w->owner != fork_generation()) return;
  if (readable) {
    done = write(w->event, &count, sizeof count);
  } else {
    done = read(w->event, &count, sizeof count);
  }
  (void)done; /* neither can fail: one is written, and only that is read */
}

/* A socket that was closed has left by itself. */
bool wakeup_watch(const wakeup *w, int fd, short events) {
  uint32_t wanted = (events & POLLIN ? EPOLLIN : 0u)
    | (events & POLLOUT ? EPOLLOUT : 0u);
  if (w->epoll < 0) return true;
  if (events == 0) {
    (void)add_descriptor(w, fd, 0, EPOLL_CTL_DEL);
    return true;
  }
  return add_descriptor(w, fd, wanted, EPOLL_CTL_ADD)
    || (errno == EEXIST && add_descriptor(w, fd, wanted, EPOLL_CTL_MOD));
}

#else

static void close_descriptors(wakeup *w) {
  (void)w;
}

static bool open_descriptors(wakeup *w) {
  (void)w;
  return false;
}

static void set_event(const wakeup *w, bool readable) {
  (void)w;
  (void)readable;
}

bool wakeup_watch(const wakeup *w, int fd, short events) {
  (void)w;
  (void)fd;
  (void)events;
  return true;
}

#endif

wakeup *wakeup_new(void) {
  wakeup *w = memory_alloc(sizeof *w);
  if (w == NULL) return NULL;
  w->references = 1;
  w->quiet = -1;
  w->epoll = -1;
  w->event = -1;
  return w;
}

bool wakeup_open(wakeup *w) {
  w->owner = fork_generation();
  w->pollable = true;
  return open_descriptors(w);
}

wakeup *wakeup_retain(wakeup *w) {
  w->references++;
  return w;
}

void wakeup_release(wakeup *w) {
  if (w == NULL || --w->references > 0) return;
  close_descriptors(w);
  memory_free(w, sizeof *w);
}

bool wakeup_renew(wakeup *w) {
  if (!w->pollable || w->owner == fork_generation()) return true;
  close_descriptors(w);
  if (!open_descriptors(w)) return false;
  w->owner = fork_generation();
  return true;
}

unsigned wakeup_add(wakeup *w) {
  w->quiet = -1;
  if (w->finished++ == 0) set_event(w, true);
  return w->era;
}

void wakeup_take(wakeup *w, unsigned era) {
  if (era != w->era) return;
  w->quiet = -1;
  if (--w->finished == 0) set_event(w, false);
}

void wakeup_look(wakeup *w, int64_t now) {
  if (w->quiet < 0) w->quiet = now;
  if (w->finished == 0 || now - w->quiet < COUNTS_MS) return;
  w->finished = 0;
  w->era++;
  set_event(w, false);
}
