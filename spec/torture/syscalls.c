#include "syscalls.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "faults.h"

enum {
  SOCKET = 1, CONNECT = 2, SEND = 4, RECEIVE = 8, POLL = 16, READ = 32,
  WRITE = 64, WATCH = 128
};

const syscall_variant syscall_variants[] = {
  {"EINTR", EINTR, CONNECT | SEND | RECEIVE | POLL | READ | WRITE},
  {"EAGAIN", EAGAIN, CONNECT | SEND | RECEIVE | POLL | WRITE},
  {"EPIPE", EPIPE, SEND | WRITE},
  {"ETIMEDOUT", ETIMEDOUT, CONNECT | SEND | RECEIVE},
  {"ECONNABORTED", ECONNABORTED, CONNECT | SEND | RECEIVE},
  {"ECONNREFUSED", ECONNREFUSED, CONNECT | RECEIVE},
  {"ECONNRESET", ECONNRESET, CONNECT | SEND | RECEIVE},
  {"EMFILE", EMFILE, SOCKET},
  {"ENOMEM", ENOMEM, SOCKET | CONNECT | SEND | RECEIVE | POLL | READ | WATCH},
  {"ENOBUFS", ENOBUFS, SOCKET | CONNECT | SEND | RECEIVE},
  {"one byte", 0, SEND | RECEIVE | READ | WRITE},
};

const int syscall_variant_count =
  (int)(sizeof syscall_variants / sizeof *syscall_variants);

static long connections;

long syscalls_connections(void) {
  return connections;
}

/* The variant in which this call is to fail now, or NULL. */
static const syscall_variant *due(unsigned call) {
  int planned = faults_variant();
  if (planned < 0 || !(syscall_variants[planned].calls & call)) return NULL;
  return fault_due(FAULT_SYSCALL) ? &syscall_variants[planned] : NULL;
}

/* Whether the call fails now; else its length may have become one byte. */
static bool fails(unsigned call, size_t *length) {
  const syscall_variant *variant = due(call);
  if (variant == NULL) return false;
  if (variant->error == 0) {
    if (*length > 1) *length = 1;
    return false;
  }
  errno = variant->error;
  return true;
}

/* Looks a function of the C library up once. POSIX lets what dlsym returns be
 * a function; ISO C has no cast for it. The definitions below have glibc's own
 * types for addresses, as its declarations do. */
#define REAL(name) \
  if (real == NULL) *(void **)(&real) = dlsym(RTLD_NEXT, name)

int socket(int family, int type, int protocol) {
  static int (*real)(int, int, int);
  size_t none = 0;
  REAL("socket");
  return fails(SOCKET, &none) ? -1 : real(family, type, protocol);
}

int socketpair(int family, int type, int protocol, int pair[2]) {
  static int (*real)(int, int, int, int *);
  size_t none = 0;
  REAL("socketpair");
  return fails(SOCKET, &none) ? -1 : real(family, type, protocol, pair);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length) {
  static int (*real)(int, __CONST_SOCKADDR_ARG, socklen_t);
  size_t none = 0;
  int result;
  REAL("connect");
  if (fails(CONNECT, &none)) return -1;
  result = real(fd, address, length);
  if (result == 0 || errno == EINPROGRESS) connections++;
  return result;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
  static ssize_t (*real)(int, const void *, size_t, int);
  REAL("send");
  return fails(SEND, &length) ? -1 : real(fd, data, length, flags);
}

ssize_t sendto(
  int fd, const void *data, size_t length, int flags,
  __CONST_SOCKADDR_ARG address, socklen_t address_length
) {
  static ssize_t (*real)(
    int, const void *, size_t, int, __CONST_SOCKADDR_ARG, socklen_t
  );
  REAL("sendto");
  if (fails(SEND, &length)) return -1;
  return real(fd, data, length, flags, address, address_length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  static ssize_t (*real)(int, const struct msghdr *, int);
  size_t none = 0;
  REAL("sendmsg");
  return fails(SEND, &none) ? -1 : real(fd, message, flags);
}

ssize_t recv(int fd, void *data, size_t length, int flags) {
  static ssize_t (*real)(int, void *, size_t, int);
  REAL("recv");
  return fails(RECEIVE, &length) ? -1 : real(fd, data, length, flags);
}

ssize_t recvfrom(
  int fd, void *data, size_t length, int flags, __SOCKADDR_ARG address,
  socklen_t *address_length
) {
  static ssize_t (*real)(
    int, void *, size_t, int, __SOCKADDR_ARG, socklen_t *
  );
  REAL("recvfrom");
  if (fails(RECEIVE, &length)) return -1;
  return real(fd, data, length, flags, address, address_length);
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
  static int (*real)(struct pollfd *, nfds_t, int);
  size_t none = 0;
  REAL("poll");
  return fails(POLL, &none) ? -1 : real(fds, count, timeout);
}

int epoll_create1(int flags) {
  static int (*real)(int);
  size_t none = 0;
  REAL("epoll_create1");
  return fails(SOCKET, &none) ? -1 : real(flags);
}

int epoll_ctl(int fd, int how, int watched, struct epoll_event *event) {
  static int (*real)(int, int, int, struct epoll_event *);
  size_t none = 0;
  REAL("epoll_ctl");
  return fails(WATCH, &none) ? -1 : real(fd, how, watched, event);
}

int eventfd(unsigned count, int flags) {
  static int (*real)(unsigned, int);
  size_t none = 0;
  REAL("eventfd");
  return fails(SOCKET, &none) ? -1 : real(count, flags);
}

ssize_t read(int fd, void *data, size_t length) {
  static ssize_t (*real)(int, void *, size_t);
  REAL("read");
  return fails(READ, &length) ? -1 : real(fd, data, length);
}

ssize_t write(int fd, const void *data, size_t length) {
  static ssize_t (*real)(int, const void *, size_t);
  REAL("write");
  return fails(WRITE, &length) ? -1 : real(fd, data, length);
}
