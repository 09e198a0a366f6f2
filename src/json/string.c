#include "json/string.h"

#include <string.h>

#include "bytes/plain.h"
#include "bytes/utf8.h"
#include "json/scanner.h"

static int hex_value(char c) {
  if (scanner_is_digit(c)) return c - '0';
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
  verdict = scanner_expect(s, '\\');
  if (verdict == JSON_VALID) verdict = scanner_expect(s, 'u');
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

json_verdict scanner_string(scanner *s) {
  unsigned long code;
  json_verdict verdict = scanner_expect(s, '"');
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
