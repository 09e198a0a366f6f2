#include "json/scan.h"

#include <string.h>

#include "bytes/buffer.h"
#include "json/scanner.h"
#include "json/string.h"

static json_verdict scan_value(scanner *s);

static void skip_space(scanner *s) {
  while (s->at < s->end) {
    char c = *s->at;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    s->at++;
  }
}

static json_verdict scan_word(scanner *s, const char *word) {
  json_verdict verdict = JSON_VALID;
  for (; *word != '\0' && verdict == JSON_VALID; word++) {
    verdict = scanner_expect(s, *word);
  }
  return verdict;
}

/* What stands between two values of a container: a comma, or its end. */
static json_verdict scan_separator(scanner *s, char close, bool *last) {
  skip_space(s);
  *last = scanner_next_is(s, close);
  if (*last) {
    s->at++;
    return JSON_VALID;
  }
  return scanner_expect(s, ',');
}

static json_verdict scan_array(scanner *s) {
  const char *start = s->at++;
  bool last = false;
  json_verdict verdict = JSON_VALID;
  skip_space(s);
  if (scanner_next_is(s, ']')) {
    s->at++;
    return scanner_mark(s, start) ? JSON_VALID : JSON_INVALID;
  }
  while (verdict == JSON_VALID && !last) {
    verdict = scan_value(s);
    if (verdict == JSON_VALID) verdict = scan_separator(s, ']', &last);
  }
  return verdict;
}

/* Whether the JSON string at `text` stands for `name`, of MEMBER_MAX bytes at
 * most. Takes no memory: a shortage would look like a member that is not
 * there. */
static bool string_is(const char *text, size_t length, const char *name) {
  char room[MEMBER_MAX];
  size_t name_length = strlen(name);
  buffer plain = {room, 0, 0, 0, BUFFER_OK};
  plain.capacity = name_length;
  plain.limit = name_length;
  /* Escapes make it longer. */
  if (length < name_length + 2) return false;
  if (length == name_length + 2) {
    return memcmp(text + 1, name, name_length) == 0;
  }
  return memchr(text, '\\', length) != NULL
    && json_read_string(&plain, text, length)
    && plain.length == name_length
    && memcmp(plain.data, name, name_length) == 0;
}

static json_member *member_named(
  const scanner *s, const char *name, size_t length
) {
  size_t i;
  for (i = 0; i < s->count; i++) {
    if (string_is(name, length, s->members[i].name)) return &s->members[i];
  }
  return NULL;
}

static json_verdict scan_member(scanner *s) {
  const char *from;
  json_member *found = NULL;
  json_verdict verdict;
  skip_space(s);
  from = s->at;
  verdict = scanner_string(s);
  if (verdict != JSON_VALID) return verdict;
  if (s->depth == 1) found = member_named(s, from, (size_t)(s->at - from));
  skip_space(s);
  verdict = scanner_expect(s, ':');
  if (verdict != JSON_VALID) return verdict;
  if (found == NULL) return scan_value(s);
  skip_space(s);
  from = s->at;
  verdict = scan_value(s);
  if (verdict == JSON_VALID) {
    found->value = from;
    found->length = (size_t)(s->at - from);
  }
  return verdict;
}

static json_verdict scan_object(scanner *s) {
  bool last = false;
  json_verdict verdict = JSON_VALID;
  s->at++;
  skip_space(s);
  if (scanner_next_is(s, '}')) {
    s->at++;
    return JSON_VALID;
  }
  while (verdict == JSON_VALID && !last) {
    verdict = scan_member(s);
    if (verdict == JSON_VALID) verdict = scan_separator(s, '}', &last);
  }
  return verdict;
}

static json_verdict scan_container(scanner *s) {
  json_verdict verdict;
  if (s->depth == JSON_MAX_DEPTH) return JSON_TOO_DEEP;
  s->depth++;
  verdict = *s->at == '{' ? scan_object(s) : scan_array(s);
  s->depth--;
  return verdict;
}

static json_verdict scan_value(scanner *s) {
  skip_space(s);
  if (s->at == s->end) return JSON_INCOMPLETE;
  switch (*s->at) {
    case '{':
    case '[': return scan_container(s);
    case '"': return scanner_string(s);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n':
      s->report->has_null = true;
      return scan_word(s, "null");
    default: return scanner_number(s);
  }
}

/* Exactly one value. */
static json_verdict scan_text(scanner *s, const char *text, size_t length) {
  json_verdict verdict;
  s->at = length == 0 ? "" : text;
  s->end = s->at + length;
  memset(s->report, 0, sizeof *s->report);
  verdict = scan_value(s);
  skip_space(s);
  if (verdict == JSON_VALID && s->at < s->end) return JSON_INVALID;
  return verdict;
}

json_verdict json_scan(
  const char *text, size_t length, json_report *report, json_mark *mark_place,
  void *context
) {
  scanner s = {NULL, NULL, 0, report, mark_place, context, NULL, 0};
  json_verdict verdict = scan_text(&s, text, length);
  report->at = length - (size_t)(s.end - s.at);
  return verdict;
}

json_verdict json_find(
  const char *text, size_t length, json_member *members, size_t count
) {
  json_report ignored;
  scanner s = {NULL, NULL, 0, &ignored, NULL, NULL, members, count};
  size_t i;
  for (i = 0; i < count; i++) members[i].value = NULL;
  return scan_text(&s, text, length);
}
