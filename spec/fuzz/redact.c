/* A text and a secret: afterwards no part of the secret is left in the text
 * that is long enough to be of use. The first byte says how long the secret
 * is, which comes next; the rest is the text. */
#include "fuzz.h"

#include "bytes/redact.h"

#define PART 8
#define WORD 4

/* A run that holds an asterisk was overwritten, at least in part. */
static void check_clean(
  const char *text, size_t length, const char *secret, size_t secret_length
) {
  size_t part = secret_length < PART ? secret_length : PART;
  size_t at;
  for (at = 0; part > 0 && at + part <= length; at++) {
    check(
      memchr(text + at, '*', part) != NULL
      || !fuzz_contains(secret, secret_length, text + at, part)
    );
  }
}

/* Whether the byte belongs to a run that text and secret have in common; with a
 * short secret in the text every byte does. */
static bool is_shared(
  const char *text, size_t length, size_t at, const char *secret,
  size_t secret_length
) {
  size_t part = secret_length < PART ? secret_length : PART;
  size_t from = at + 1 < part ? 0 : at + 1 - part;
  if (secret_length > 0 && secret_length < WORD) {
    return fuzz_contains(text, length, secret, secret_length);
  }
  for (; part > 0 && from <= at && from + part <= length; from++) {
    if (fuzz_contains(secret, secret_length, text + from, part)) return true;
  }
  return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  size_t secret_length = size == 0 ? 0 : data[0];
  size_t length;
  size_t i;
  char *secret;
  char *before;
  char *text;
  if (size == 0 || secret_length > size - 1) return 0;
  length = size - 1 - secret_length;
  secret = fuzz_copy(data + 1, secret_length);
  before = fuzz_copy(data + 1 + secret_length, length);
  text = fuzz_copy(data + 1 + secret_length, length);
  redact(text, length, secret, secret_length);
  check_clean(text, length, secret, secret_length);
  for (i = 0; i < length; i++) {
    check(text[i] == before[i] || (text[i] == '*'
      && is_shared(before, length, i, secret, secret_length)));
  }
  free(secret);
  free(before);
  free(text);
  return 0;
}
