#include "emulator/request.h"

#include <stdlib.h>
#include <string.h>

#include "bytes/memory.h"

#define HEADERS_LIMIT ((size_t)1024 * 1024)
#define ANSWER_LIMIT ((size_t)1024 * 1024 * 1024)

/* The first half of a body, for an answer that breaks off. */
typedef struct half_body {
  size_t length;
  char bytes[];
} half_body;

emulator_request *emulator_request_new(
  struct MHD_Connection *connection, const char *uri
) {
  emulator_request *request = calloc(1, sizeof *request);
  if (request == NULL) return NULL;
  buffer_init(&request->headers, HEADERS_LIMIT);
  buffer_init(&request->body, EMULATOR_BODY_LIMIT);
  buffer_init(&request->answer.headers, HEADERS_LIMIT);
  buffer_init(&request->answer.body, ANSWER_LIMIT);
  request->connection = connection;
  request->uri = strdup(uri);
  if (request->uri != NULL) return request;
  emulator_request_free(request);
  return NULL;
}

/* Only copies: the server's callbacks never meet Lua. */
static enum MHD_Result take_header(
  void *context, enum MHD_ValueKind kind, const char *name, const char *value
) {
  emulator_request *request = context;
  (void)kind;
  if (value == NULL) value = "";
  (void)buffer_append(&request->headers, name, strlen(name) + 1);
  (void)buffer_append(&request->headers, value, strlen(value) + 1);
  return MHD_YES;
}

bool emulator_request_begin(emulator_request *request, const char *method) {
  request->started = true;
  request->method = strdup(method);
  (void)MHD_get_connection_values(
    request->connection, MHD_HEADER_KIND, take_header, request
  );
  return request->method != NULL && request->headers.state == BUFFER_OK;
}

bool emulator_request_body(
  emulator_request *request, const char *data, size_t length
) {
  (void)buffer_append(&request->body, data, length);
  return request->body.state != BUFFER_MEMORY;
}

static ssize_t half_read(
  void *context, uint64_t position, char *out, size_t room
) {
  const half_body *half = context;
  size_t left = half->length - (size_t)position;
  if (left == 0) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (left > room) left = room;
  memcpy(out, half->bytes + position, left);
  return (ssize_t)left;
}

static struct MHD_Response *half_response(const buffer *body) {
  size_t length = body->length / 2;
  struct MHD_Response *response;
  half_body *half = malloc(sizeof *half + length);
  if (half == NULL) return NULL;
  half->length = length;
  if (length > 0) memcpy(half->bytes, body->data, length);
  response = MHD_create_response_from_callback(
    body->length, 64 * 1024, half_read, half, free
  );
  if (response == NULL) free(half);
  return response;
}

static struct MHD_Response *whole_response(const buffer *body) {
  return MHD_create_response_from_buffer(
    body->length, body->data, MHD_RESPMEM_MUST_COPY
  );
}

static bool add_headers(struct MHD_Response *response, const buffer *headers) {
  size_t at = 0;
  while (at < headers->length) {
    const char *name = headers->data + at;
    const char *value = name + strlen(name) + 1;
    if (MHD_add_response_header(response, name, value) != MHD_YES) return false;
    at += strlen(name) + strlen(value) + 2;
  }
  return true;
}

enum MHD_Result emulator_request_answer(emulator_request *request) {
  const emulator_answer *answer = &request->answer;
  enum MHD_Result queued = MHD_NO;
  struct MHD_Response *response;
  if (answer->drop == EMULATOR_DROP_ALL) return MHD_NO;
  response = answer->drop == EMULATOR_DROP_HALF
    ? half_response(&answer->body)
    : whole_response(&answer->body);
  if (response == NULL) return MHD_NO;
  if (add_headers(response, &answer->headers)) {
    queued = MHD_queue_response(request->connection, answer->status, response);
  }
  MHD_destroy_response(response);
  return queued;
}

void emulator_request_free(emulator_request *request) {
  if (request == NULL) return;
  buffer_free(&request->headers);
  buffer_free(&request->body);
  buffer_free(&request->answer.headers);
  buffer_free(&request->answer.body);
  free(request->method);
  free(request->uri);
  free(request);
}
