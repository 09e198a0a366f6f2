#include "json/write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bytes/plain.h"

/* Integral doubles from here on are written with an exponent. */
#define EXPONENT_FROM 1e21

static bool write_escape(buffer *out, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  char unicode[] = "\\u0000";
  switch (c) {
    case '"': return buffer_text(out, "\\\"");
    case '\\': return buffer_text(out, "\\\\");
    case '\n': return buffer_text(out, "\\n");
    case '\r': return buffer_text(out, "\\r");
    case '\t': return buffer_text(out, "\\t");
    default:
      unicode[4] = hex[c >> 4];
      unicode[5] = hex[c & 15];
      return buffer_text(out, unicode);
  }
}

static bool write_plain(buffer *out, const char *text, size_t length) {
  char *at;
  if (!buffer_reserve(out, length + 2)) return false;
  at = out->data + out->length;
  *at++ = '"';
  memcpy(at, text, length);
  at[length] = '"';
  out->length += length + 2;
  return true;
}

bool json_write_string(buffer *out, const char *text, size_t length) {
  size_t plain = 0;
  size_t i = plain_prefix(text, length);
  if (i == length) return write_plain(out, text, length);
  buffer_reserve(out, length + 2);
  buffer_text(out, "\"");
  for (; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    buffer_append(out, text + plain, i - plain);
    write_escape(out, c);
    plain = i + 1;
  }
  buffer_append(out, text + plain, length - plain);
  return buffer_text(out, "\"");
}

bool json_write_integer(buffer *out, long long value) {
  char text[32];
  int length = snprintf(text, sizeof text, "%lld", value);
  return buffer_append(out, text, (size_t)length);
}

bool json_write_double(buffer *out, double value) {
  char text[40];
  bool integral = fabs(value) < EXPONENT_FROM && value == floor(value);
  const char *at = text;
  snprintf(text, sizeof text, integral ? "%.0f" : "%.17g", value);
  while (*at != '\0') {
    /* What stands between is the decimal point of the host's locale. */
    size_t run = strspn(at, "0123456789-+e");
    buffer_append(out, at, run);
    at += run;
    run = strcspn(at, "0123456789-+e");
    if (run > 0) buffer_text(out, ".");
    at += run;
  }
  return out->state == BUFFER_OK;
}
