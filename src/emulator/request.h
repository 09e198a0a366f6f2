/* One HTTP exchange of the emulator: collected from libmicrohttpd's callbacks,
 * and its answer given back to libmicrohttpd. */
#ifndef BYTENITE_EMULATOR_REQUEST_H
#define BYTENITE_EMULATOR_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "bytes/buffer.h"

#define EMULATOR_BODY_LIMIT ((size_t)4 * 1024 * 1024)

typedef enum emulator_drop {
  EMULATOR_DROP_NOTHING,
  EMULATOR_DROP_ALL, /* close without an answer */
  EMULATOR_DROP_HALF /* announce the whole body, send half of it, close */
} emulator_drop;

/* The answer to a request. Header fields are "name\0value\0" pairs. */
typedef struct emulator_answer {
  unsigned status;
  buffer headers;
  buffer body;
  double delay; /* seconds from the arrival of the whole request */
  emulator_drop drop;
} emulator_answer;

/* A request from its first line to the end of its answer. */
typedef struct emulator_request {
  char *uri;     /* as it came, with the query, nothing decoded */
  char *method;
  buffer headers; /* "name\0value\0" pairs, in the order of the wire */
  buffer body;    /* its state is BUFFER_FULL when it is over the limit */
  emulator_answer answer;
  struct MHD_Connection *connection;
  struct emulator_request *next; /* the next one that waits, see `held` */
  double due;                    /* monotonic seconds */
  bool started, handled;
} emulator_request;

/* Makes a request from its target as it stands on the wire; NULL when memory
 * is short. */
emulator_request *emulator_request_new(
  struct MHD_Connection *connection, const char *uri
);

/* Takes the method and the header fields; false when memory is short. */
bool emulator_request_begin(emulator_request *request, const char *method);

/* Takes a part of the body; what is over the limit is read and forgotten, so
 * that the client gets to see its 413. False when memory is short. */
bool emulator_request_body(
  emulator_request *request, const char *data, size_t length
);

/* Hands the answer to libmicrohttpd; MHD_NO closes the connection. */
enum MHD_Result emulator_request_answer(emulator_request *request);

/* Wipes and frees; NULL is allowed. */
void emulator_request_free(emulator_request *request);

#endif
