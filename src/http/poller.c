#include "http/poller.h"

#ifdef __linux__

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool control(const poller *p, int fd, uint32_t events, int how) {
  struct epoll_event event = {0, {0}};
  event.events = events;
  event.data.fd = fd;
  return epoll_ctl(p->fd, how, fd, &event) == 0;
}

void poller_close(poller *p) {
  if (p->signal >= 0) close(p->signal);
  if (p->fd >= 0) close(p->fd);
  p->signal = -1;
  p->fd = -1;
}

bool poller_open(poller *p, bool signalled) {
  p->fd = epoll_create1(EPOLL_CLOEXEC);
  p->signal = eventfd(signalled, EFD_CLOEXEC | EFD_NONBLOCK);
  if (
    p->fd >= 0 && p->signal >= 0
    && control(p, p->signal, EPOLLIN, EPOLL_CTL_ADD)
  ) {
    return true;
  }
  poller_close(p);
  return false;
}

void poller_signal(const poller *p, bool readable) {
  uint64_t count = 1;
  ssize_t done;
  if (p->signal < 0) return;
  if (readable) {
    done = write(p->signal, &count, sizeof count);
  } else {
    done = read(p->signal, &count, sizeof count);
  }
  (void)done; /* neither can fail: one is written, and only that is read */
}

/* A socket that was closed has left by itself. */
bool poller_watch(const poller *p, int fd, short events) {
  uint32_t wanted = (events & POLLIN ? EPOLLIN : 0u)
    | (events & POLLOUT ? EPOLLOUT : 0u);
  if (p->fd < 0) return true;
  if (events == 0) {
    (void)control(p, fd, 0, EPOLL_CTL_DEL);
    return true;
  }
  return control(p, fd, wanted, EPOLL_CTL_ADD)
    || (errno == EEXIST && control(p, fd, wanted, EPOLL_CTL_MOD));
}

#else

void poller_close(poller *p) {
  (void)p;
}

bool poller_open(poller *p, bool signalled) {
  (void)p;
  (void)signalled;
  return false;
}

void poller_signal(const poller *p, bool readable) {
  (void)p;
  (void)readable;
}

bool poller_watch(const poller *p, int fd, short events) {
  (void)p;
  (void)fd;
  (void)events;
  return true;
}

#endif
