#include "bytes/secret_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes/memory.h"

#define TOO_LONG "is longer than 64 KiB"

const char *secret_take_string(secret **s, const char *bytes, size_t length) {
  if (length > SECRET_MAX) return TOO_LONG;
  *s = secret_from(bytes, length);
  return *s == NULL ? SECRET_NO_MEMORY : NULL;
}

/* A signal that comes just before poll(2) would be noticed after it. */
#define LOOK_MS 1000

static bool wait_to_read(int fd, secret_stop *stop, const void *context) {
  struct pollfd entry = {fd, POLLIN, 0};
  while (stop != NULL) {
    int ready = poll(&entry, 1, LOOK_MS);
    if (ready > 0 || (ready < 0 && errno != EINTR)) break;
    if (stop(context)) return false;
  }
  return true;
}

/* Reads to the end of file; one byte beyond the maximum shows that it is too
 * long. */
static const char *fill(
  secret *s, int fd, secret_stop *stop, const void *context
) {
  while (s->length < s->capacity) {
    ssize_t got;
    if (!wait_to_read(fd, stop, context)) return SECRET_INTERRUPTED;
    got = read(fd, s->bytes + s->length, s->capacity - s->length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return "cannot be read";
    if (got == 0) return s->length == 0 ? "is empty" : NULL;
    s->length += (size_t)got;
  }
  return TOO_LONG;
}

const char *secret_take_fd(
  secret **s, int fd, secret_stop *stop, const void *context
) {
  secret *room = secret_new(SECRET_MAX + 1);
  const char *problem;
  if (room == NULL) return SECRET_NO_MEMORY;
  problem = fill(room, fd, stop, context);
  if (problem == NULL) {
    problem = secret_take_string(s, room->bytes, room->length);
  }
  secret_release(room);
  return problem;
}

static const char *check_file(int fd, bool shared, char mode[8]) {
  struct stat info;
  if (fstat(fd, &info) != 0) return "cannot be read";
  if (!S_ISREG(info.st_mode)) return "is not a regular file";
  snprintf(mode, 8, "%04o", (unsigned)(info.st_mode & 07777));
  if (!shared && (info.st_mode & 077) != 0) {
    return "can be read by others (mode %s)";
  }
  return NULL;
}

const char *secret_take_file(
  secret **s, const char *path, bool shared, char mode[8]
) {
  /* Without O_NONBLOCK a FIFO would be waited for. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const char *problem;
  mode[0] = '\0';
  if (fd < 0) {
    return errno == ENOENT ? "does not exist" : "cannot be opened";
  }
  problem = check_file(fd, shared, mode);
  if (problem == NULL) problem = secret_take_fd(s, fd, NULL, NULL);
  close(fd);
  return problem;
}

const char *secret_take_env(secret **s, const char *name, bool unset) {
  char *value = getenv(name);
  const char *problem;
  if (value == NULL || *value == '\0') return "is not set";
  problem = secret_take_string(s, value, strlen(value));
  if (problem == NULL && unset) {
    memory_wipe(value, strlen(value));
    unsetenv(name);
  }
  return problem;
}
