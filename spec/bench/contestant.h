/* What the contestants in C have in common: their arguments, the requests, and
 * the clocks. They are called as
 *
 *   PROGRAM OPERATION URL CA WARMUP COUNT [CONCURRENCY]
 *
 * with a CA that is "-" for plain HTTP, a file, or FILE:DIRECTORY. */
#ifndef BENCH_CONTESTANT_H
#define BENCH_CONTESTANT_H

#include <stdbool.h>

#define AUTHORIZATION "Authorization: " \
  "0iKp4vYw1Zb7sQhX9dLr2TfNc8mUeJgA6oRxV3tBy5E"

#define BODY "{\"secret\":{\"id\":\"s3-secret\",\"secretType\":\"s3\"," \
  "\"expiresAt\":\"2025-12-29T18:02:27.140Z\"," \
  "\"accessKey\":\"AKIAIOSFODNN7EXAMPLE\"," \
  "\"params\":{\"ANY_ADDITIONAL_PROPERTY\":\"text\"}," \
  "\"name\":\"My S3 Secret\"}," \
  "\"secretKey\":\"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\"}"

typedef enum operation {
  OPERATION_LIST, OPERATION_PUT, OPERATION_DELETE
} operation;

typedef struct contestant {
  operation operation;
  const char *base;    /* of the URL */
  char url[512];       /* of the operation */
  const char *ca_file; /* NULL for plain HTTP */
  const char *ca_path; /* NULL for none */
  long warmup;
  long count;
  long concurrency;
} contestant;

/* Ends the process with a usage message when they are wrong. */
void contestant_arguments(contestant *c, int argc, char **argv);

/* Ends the process with a message unless the condition holds. */
void contestant_require(bool condition, const char *what);

/* Runs `calls` warmup times; then `count` times under the clocks, and prints
 * the seconds of CPU and of wall time. */
void contestant_time(
  const contestant *c, void (*calls)(void *context, long count), void *context
);

#endif
