/* Private to this folder: where a scan stands in its text, and the steps that
 * the scans of strings, of numbers and of the structure around them share. */
#ifndef BYTENITE_JSON_SCANNER_H
#define BYTENITE_JSON_SCANNER_H

#include <stdbool.h>
#include <stddef.h>

#include "json/report.h"

typedef struct scanner {
  const char *at;       /* the next character */
  const char *end;
  unsigned depth;       /* of arrays and objects that are open */
  json_report *report;
  json_mark *mark;
  void *context;
  json_member *members; /* that are looked for in the outermost object */
  size_t count;
} scanner;

/* Each passes over the one value that begins at `at`; else the verdict says why
 * there is none, and `at` where. */
json_verdict scanner_string(scanner *s);
json_verdict scanner_number(scanner *s);

static inline bool scanner_is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* The next character must be `c`. */
static inline json_verdict scanner_expect(scanner *s, char c) {
  if (s->at == s->end) return JSON_INCOMPLETE;
  if (*s->at != c) return JSON_INVALID;
  s->at++;
  return JSON_VALID;
}

/* True if the next character is `c`; it stays the next. */
static inline bool scanner_next_is(const scanner *s, char c) {
  return s->at < s->end && *s->at == c;
}

/* Counts the value from `from` to `at` and reports its place; see json_mark.
 * False to stop the scan. */
static inline bool scanner_mark(scanner *s, const char *from) {
  s->report->marks++;
  return s->mark == NULL || s->mark(s->context, from, s->at);
}

#endif
