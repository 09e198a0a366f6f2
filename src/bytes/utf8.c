#include "bytes/utf8.h"

#include "bytes/plain.h"

size_t utf8_sequence(const char *text, size_t left) {
  const unsigned char *bytes = (const unsigned char *)text;
  unsigned char first = bytes[0];
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  size_t i;
  if (length == 1) return 1;
  if (first < 0xC2 || first > 0xF4 || length > left) return 0;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (bytes[1] < low || bytes[1] > high) return 0;
  for (i = 2; i < length; i++) {
    if ((bytes[i] & 0xC0) != 0x80) return 0;
  }
  return length;
}

size_t utf8_prefix(const char *text, size_t length) {
  size_t at = 0;
  for (;;) {
    size_t step;
    at += plain_prefix(text + at, length - at);
    if (at == length) return at;
    step = utf8_sequence(text + at, length - at);
    if (step == 0) return at;
    at += step;
  }
}

bool utf8_append(buffer *out, unsigned long code) {
  char bytes[4];
  size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  size_t i;
  for (i = length; i > 1; i--) {
    bytes[i - 1] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  bytes[0] = (char)(lead[length] | code);
  return buffer_append(out, bytes, length);
}
