/* Keeps SIGPIPE from the host. CURLOPT_NOSIGNAL alone does not, before libcurl
 * 7.88: a connection reset during an upload over TLS raised it (measured). From
 * 7.88 on these functions do nothing. Only this thread's mask is changed. */
#ifndef BYTENITE_SIGPIPE_H
#define BYTENITE_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

typedef struct sigpipe_guard {
  bool blocked; /* by us, so that it has to be undone */
  sigset_t before;
} sigpipe_guard;

/* To be called before a libcurl of this version (its number, as at run time)
 * may write to a socket. */
void sigpipe_block(sigpipe_guard *guard, unsigned libcurl);

/* To be called after it: takes away a SIGPIPE that came since. */
void sigpipe_restore(const sigpipe_guard *guard);

#endif
