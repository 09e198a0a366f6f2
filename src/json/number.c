#include <stdbool.h>

#include "json/scanner.h"

static json_verdict scan_digits(scanner *s) {
  if (s->at == s->end) return JSON_INCOMPLETE;
  if (!scanner_is_digit(*s->at)) return JSON_INVALID;
  while (s->at < s->end && scanner_is_digit(*s->at)) s->at++;
  return JSON_VALID;
}

/* The exponent of a number, clamped beyond what the digits of a text that fits
 * into memory could make up for. */
static json_verdict scan_exponent(scanner *s, long *exponent) {
  bool negative = scanner_next_is(s, '-');
  const char *digits;
  json_verdict verdict;
  if (negative || scanner_next_is(s, '+')) s->at++;
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

json_verdict scanner_number(scanner *s) {
  const char *start = s->at;
  const char *digits;
  const char *digits_end;
  bool integer = true;
  long exponent = 0;
  json_verdict verdict = JSON_VALID;
  if (scanner_next_is(s, '-')) s->at++;
  digits = s->at;
  verdict = scan_digits(s);
  if (verdict != JSON_VALID) return verdict;
  if (*digits == '0' && s->at - digits > 1) return JSON_INVALID;
  if (scanner_next_is(s, '.')) {
    integer = false;
    s->at++;
    verdict = scan_digits(s);
  }
  digits_end = s->at;
  if (verdict == JSON_VALID
      && (scanner_next_is(s, 'e') || scanner_next_is(s, 'E'))) {
    integer = false;
    s->at++;
    verdict = scan_exponent(s, &exponent);
  }
  if (verdict != JSON_VALID) return verdict;
  if ((!integer || s->at - digits > 15) && !scanner_mark(s, start)) {
    return JSON_INVALID;
  }
  return overflows(digits, digits_end, exponent) ? JSON_INVALID : JSON_VALID;
}
