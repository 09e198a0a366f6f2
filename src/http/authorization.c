#include "http/authorization.h"

#include <string.h>

#define NAME "Authorization: "

const char *token_problem(const char *token, size_t length) {
  size_t i;
  if (token == NULL) return "was wiped";
  if (length == 0) return "is empty";
  if (length > TOKEN_MAX) return "is longer than 8 KiB";
  for (i = 0; i < length; i++) {
    unsigned char c = (unsigned char)token[i];
    if (c < 0x20 || c >= 0x7F) {
      return "holds a character that cannot stand in a header";
    }
  }
  return NULL;
}

static void append(secret *s, const char *text, size_t length) {
  memcpy(s->bytes + s->length, text, length);
  s->length += length;
}

bool authorization_make(
  authorization *a, const char *scheme, const char *token, size_t length
) {
  size_t before = strlen(NAME) + (scheme != NULL ? strlen(scheme) + 1 : 0);
  a->line = secret_new(before + length);
  if (a->line == NULL) return false;
  append(a->line, NAME, strlen(NAME));
  if (scheme != NULL) {
    append(a->line, scheme, strlen(scheme));
    append(a->line, " ", 1);
  }
  a->token_at = a->line->length;
  append(a->line, token, length);
  return true;
}

void authorization_free(authorization *a) {
  secret_release(a->line);
  a->line = NULL;
}
