/* Reads a secret from where people keep it, straight into its own pages: no
 * stdio, no Lua string. Each function sets `*s` and returns NULL, or returns a
 * problem: words that follow the name of the file, variable or descriptor. */
#ifndef BYTENITE_SECRET_SOURCE_H
#define BYTENITE_SECRET_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes/secret.h"

#define SECRET_NO_MEMORY "cannot be kept: memory is short"

const char *secret_take_string(secret **s, const char *bytes, size_t length);

/* A regular file of at most 64 KiB, verbatim. Others must not be able to read
 * it unless `shared`; that problem holds a %s for `mode`, filled in here. */
const char *secret_take_file(
  secret **s, const char *path, bool shared, char mode[8]
);

/* An environment variable; with `unset` it is overwritten and removed. */
const char *secret_take_env(secret **s, const char *name, bool unset);

/* Whether nobody waits for the secret any more. */
typedef bool secret_stop(const void *context);

#define SECRET_INTERRUPTED "was interrupted"

/* Everything up to the end of file. While nothing comes, `stop`, unless it is
 * NULL, is asked at each signal and each second; when it holds, the problem is
 * SECRET_INTERRUPTED. */
const char *secret_take_fd(
  secret **s, int fd, secret_stop *stop, const void *context
);

#endif
