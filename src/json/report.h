/* What a scan of a JSON text finds out. */
#ifndef BYTENITE_JSON_REPORT_H
#define BYTENITE_JSON_REPORT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum json_verdict {
  JSON_VALID,
  JSON_INCOMPLETE, /* the text ends too early */
  JSON_INVALID,
  JSON_TOO_DEEP,
  JSON_TOO_LARGE   /* json_decode alone: more than lua-cjson can count */
} json_verdict;

/* What the scanner tells of a text, besides the verdict. */
typedef struct json_report {
  size_t at;         /* where the scan ended, an offset */
  bool has_null;     /* a null somewhere */
  bool has_escape;   /* a \u escape somewhere, so names may be spelt with it */
  size_t marks;      /* empty arrays, and numbers but integers of 15 digits */
} json_report;

/* Told of the place of each empty array and of each number that is not an
 * integer of at most 15 digits. Returns false to stop the scan. */
typedef bool json_mark(void *context, const char *from, const char *to);

#define MEMBER_MAX 16

/* A member of an object that is looked for. */
typedef struct json_member {
  const char *name;  /* of MEMBER_MAX bytes at most */
  const char *value; /* its place; NULL when there is none */
  size_t length;
} json_member;

#endif
