/* Drives a multi handle through curl's multi-socket interface: the sockets and
 * the timer that libcurl asks us to watch
 * (https://curl.se/libcurl/c/libcurl-multi.html). */
#ifndef BYTENITE_DRIVE_H
#define BYTENITE_DRIVE_H

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/wakeup.h"

/* poll(2) was interrupted by a signal handler, or refused. */
#define DRIVE_INTERRUPTED (-1)
#define DRIVE_FAILED (-2)

typedef struct drive {
  CURLM *multi;
  wakeup *wakeup;          /* watches the sockets as well, for event loops */
  struct pollfd *sockets;  /* those that libcurl waits for */
  size_t socket_count;
  size_t socket_capacity;
  int64_t timer_at;        /* when libcurl wants to run, monotonic ms; -1 */
  int64_t next_end_at;     /* when a transfer should have ended; INT64_MAX */
  int64_t last_run_at;
} drive;

/* Attaches a zeroed drive, or one that was detached, to a new multi handle.
 * False when libcurl refuses. */
bool drive_attach(drive *d, CURLM *multi, wakeup *w);

/* Lets go of the multi handle, which the caller cleans up. */
void drive_detach(drive *d);

/* Makes room for the sockets of so many transfers: a shortage while libcurl
 * works on them would be the end of its multi handle. False when memory is
 * short. */
bool drive_make_room(drive *d, size_t transfers);

/* A transfer is to end at this time. */
void drive_expect(drive *d, int64_t end);

/* True if the ends of the transfers under way have to be told anew. */
bool drive_forgot_ends(const drive *d);

/* How long to wait at most: `ms`, or less when libcurl wants to run earlier. */
int drive_time(const drive *d, long ms);

/* Waits for the sockets, at most `ms`. Returns how many are ready,
 * DRIVE_INTERRUPTED or DRIVE_FAILED. */
int drive_poll(drive *d, long ms);

/* Lets libcurl do what is due; `ready` is how many sockets are, and `busy` is
 * true while there are transfers. False when the multi handle failed, which
 * then moves nothing any more. */
bool drive_run(drive *d, int ready, bool busy);

/* Frees what it holds. Idempotent. */
void drive_free(drive *d);

#endif
