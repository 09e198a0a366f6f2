/* One HTTP exchange of the emulator: collected from libmicrohttpd's callbacks,
 * and its answer given back to libmicrohttpd. */
#ifndef BYTENITE_EMULATOR_REQUEST_H
#define BYTENITE_EMULATOR_REQUEST_H

#include <microhttpd.h>

#include "emulator/http.h"

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
