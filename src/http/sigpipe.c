#include "http/sigpipe.h"

#include <pthread.h>
#include <time.h>

#define FIRST_WITHOUT_SIGPIPE 0x075800 /* libcurl 7.88 */

static bool is_pending(void) {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE) == 1;
}

void sigpipe_block(sigpipe_guard *guard, unsigned libcurl) {
  sigset_t pipe_only;
  guard->blocked = false;
  /* One that is pending already is the host's, and is kept for it. */
  if (libcurl >= FIRST_WITHOUT_SIGPIPE || is_pending()) return;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  guard->blocked =
    pthread_sigmask(SIG_BLOCK, &pipe_only, &guard->before) == 0;
}

void sigpipe_restore(const sigpipe_guard *guard) {
  sigset_t pipe_only;
  const struct timespec at_once = {0, 0};
  if (!guard->blocked) return;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  while (is_pending() && sigtimedwait(&pipe_only, NULL, &at_once) >= 0) {
  }
  pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
