#include "json/scan.h"

#include <string.h>

#include "bytes/plain.h"
#include "bytes/utf8.h"

typedef struct scanner {
  const char *at;
  const char *end;
  unsigned depth;
  json_report *report;
  json_mark *mark;
  void *context;
  json_member *members; /* that are looked for in the outermost object */
  size_t count;
} scanner;

static json_verdict scan_value(scanner *s);

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static void skip_space(scanner *s) {
  while (s->at < s->end) {
    char c = *s->at;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    s->at++;
  }
}

/* The next character must be `c`. */
static json_verdict expect(scanner *s, char c) {
  if (s->at == s->end) return JSON_INCOMPLETE;
  if (*s->at != c) return JSON_INVALID;
  s->at++;
  return JSON_VALID;
}

static bool next_is(const scanner *s, char c) {
  return s->at < s->end && *s->at == c;
}

static int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Reads the four digits of a \u escape. */
static json_verdict scan_hex(scanner *s, unsigned long *code) {
  int i;
  *code = 0;
  for (i = 0; i < 4; i++) {
    int digit;
    if (s->at == s->end) return JSON_INCOMPLETE;
    digit = hex_value(*s->at);
    if (digit < 0) return JSON_INVALID;
    *code = *code << 4 | (unsigned long)digit;
    s->at++;
  }
  return JSON_VALID;
}

/* Reads what follows `\u`: a code unit, or a whole surrogate pair. */
static json_verdict scan_unicode(scanner *s, unsigned long *code) {
  unsigned long low;
  json_verdict verdict = scan_hex(s, code);
  if (verdict != JSON_VALID) return verdict;
  if (*code < 0xD800 || *code > 0xDFFF) return JSON_VALID;
  if (*code > 0xDBFF) return JSON_INVALID;
  verdict = expect(s, '\\');
  if (verdict == JSON_VALID) verdict = expect(s, 'u');
  if (verdict == JSON_VALID) verdict = scan_hex(s, &low);
  if (verdict != JSON_VALID) return verdict;
  if (low < 0xDC00 || low > 0xDFFF) return JSON_INVALID;
  *code = 0x10000 + ((*code - 0xD800) << 10 | (low - 0xDC00));
  return JSON_VALID;
}

/* Reads what follows a backslash, as a code point. */
static json_verdict scan_escape(scanner *s, unsigned long *code) {
  static const char names[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  const char *name;
  if (s->at == s->end) return JSON_INCOMPLETE;
  if (*s->at == 'u') {
    s->at++;
    s->report->has_escape = true;
    return scan_unicode(s, code);
  }
  name = *s->at == '\0' ? NULL : strchr(names, *s->at);
  if (name == NULL) return JSON_INVALID;
  *code = (unsigned char)values[name - names];
  s->at++;
  return JSON_VALID;
}

static json_verdict scan_string(scanner *s) {
  unsigned long code;
  json_verdict verdict = expect(s, '"');
  while (verdict == JSON_VALID) {
    size_t step;
    unsigned char c;
    s->at += plain_prefix(s->at, (size_t)(s->end - s->at));
    if (s->at == s->end) return JSON_INCOMPLETE;
    c = (unsigned char)*s->at;
    if (c < 0x20) return JSON_INVALID;
    if (c >= 0x80) {
      step = utf8_sequence(s->at, (size_t)(s->end - s->at));
      if (step == 0) return s->end - s->at < 4 ? JSON_INCOMPLETE : JSON_INVALID;
      s->at += step;
      continue;
    }
    s->at++;
    if (c == '"') return JSON_VALID;
    verdict = scan_escape(s, &code);
  }
  return verdict;
}

static json_verdict scan_digits(scanner *s) {
  if (s->at == s->end) return JSON_INCOMPLETE;
  if (!is_digit(*s->at)) return JSON_INVALID;
  while (s->at < s->end && is_digit(*s->at)) s->at++;
  return JSON_VALID;
}

/* The exponent of a number, clamped beyond what the digits of a text that fits
 * into memory could make up for. */
static json_verdict scan_exponent(scanner *s, long *exponent) {
  bool negative = next_is(s, '-');
  const char *digits;
  json_verdict verdict;
  if (negative || next_is(s, '+')) s->at++;
  digits = s->at;
  verdict = scan_digits(s);
  for (; digits < s->at && *exponent < 100000000; digits++) {
    *exponent = *exponent * 10 + (*digits - '0');
  }
  if (negative) *exponent = -*exponent;
  return verdict;
}

/* Whether digits (a point among them, perhaps) times ten to the exponent lie
 * beyond the largest double, 1.7976931348623157e308. Compared as text, because
 * strtod depends on the locale of the host. */
static bool overflows(const char *from, const char *to, long exponent) {
  static const char largest[] = "17976931348623157";
  size_t compared = 0;
  long magnitude = 0; /* digits before the point, from the first non-zero one */
  bool point = false;
  int order = 0;
  for (; from < to; from++) {
    if (*from == '.') {
      point = true;
      continue;
    }
    if (compared == 0 && *from == '0') {
      if (point) magnitude--;
      continue;
    }
    if (!point) magnitude++;
    if (order == 0 && compared < sizeof largest - 1) {
      order = *from - largest[compared];
    }
    compared++;
  }
  if (compared == 0) return false;
  magnitude += exponent;
  return magnitude > 309 || (magnitude == 309 && order > 0);
}

static bool mark(scanner *s, const char *from) {
  s->report->marks++;
  return s->mark == NULL || s->mark(s->context, from, s->at);
}

static json_verdict scan_number(scanner *s) {
  const char *start = s->at;
  const char *digits;
  const char *digits_end;
  bool integer = true;
  long exponent = 0;
  json_verdict verdict = JSON_VALID;
  if (next_is(s, '-')) s->at++;
  digits = s->at;
  verdict = scan_digits(s);
  if (verdict != JSON_VALID) return verdict;
  if (*digits == '0' && s->at - digits > 1) return JSON_INVALID;
  if (next_is(s, '.')) {
    integer = false;
    s->at++;
    verdict = scan_digits(s);
  }
  digits_end = s->at;
  if (verdict == JSON_VALID && (next_is(s, 'e') || next_is(s, 'E'))) {
    integer = false;
    s->at++;
    verdict = scan_exponent(s, &exponent);
  }
  if (verdict != JSON_VALID) return verdict;
  if ((!integer || s->at - digits > 15) && !mark(s, start)) {
    return JSON_INVALID;
  }
  return overflows(digits, digits_end, exponent) ? JSON_INVALID : JSON_VALID;
}

static json_verdict scan_word(scanner *s, const char *word) {
  json_verdict verdict = JSON_VALID;
  for (; *word != '\0' && verdict == JSON_VALID; word++) {
    verdict = expect(s, *word);
  }
  return verdict;
}

/* What stands between two values of a container: a comma, or its end. */
static json_verdict scan_separator(scanner *s, char close, bool *last) {
  skip_space(s);
  *last = next_is(s, close);
  if (*last) {
    s->at++;
    return JSON_VALID;
  }
  return expect(s, ',');
}

static json_verdict scan_array(scanner *s) {
  const char *start = s->at++;
  bool last = false;
  json_verdict verdict = JSON_VALID;
  skip_space(s);
  if (next_is(s, ']')) {
    s->at++;
    return mark(s, start) ? JSON_VALID : JSON_INVALID;
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
  verdict = scan_string(s);
  if (verdict != JSON_VALID) return verdict;
  if (s->depth == 1) found = member_named(s, from, (size_t)(s->at - from));
  skip_space(s);
  verdict = expect(s, ':');
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
  if (next_is(s, '}')) {
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
    case '"': return scan_string(s);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n':
      s->report->has_null = true;
      return scan_word(s, "null");
    default: return scan_number(s);
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

bool json_read_string(buffer *out, const char *text, size_t length) {
  json_report ignored;
  scanner s = {
    text + 1, text + length - 1, 0, &ignored, NULL, NULL, NULL, 0
  };
  while (s.at < s.end) {
    unsigned long code;
    const char *plain = s.at;
    while (s.at < s.end && *s.at != '\\') s.at++;
    buffer_append(out, plain, (size_t)(s.at - plain));
    if (s.at == s.end) break;
    s.at++;
    if (scan_escape(&s, &code) != JSON_VALID) return false;
    utf8_append(out, code);
  }
  return out->state == BUFFER_OK;
}
