#include "token_answer.h"

#include <stdbool.h>
#include <string.h>

#include "json_scan.h"

#define LIFETIME 3600
#define LIFETIME_MAX 1000000000LL
#define SCOPE_MAX 4096

static void init(token_answer *answer) {
  memset(answer, 0, sizeof *answer);
  answer->expires_in = LIFETIME;
  buffer_init(&answer->scope, SCOPE_MAX);
}

static token_verdict verdict_of(const buffer *b) {
  if (b->state == BUFFER_MEMORY) return TOKEN_MEMORY;
  return b->state == BUFFER_OK ? TOKEN_OK : TOKEN_MALFORMED;
}

static bool is_null(const char *value) {
  return *value == 'n';
}

static token_verdict read_token(
  token_answer *answer, const char *text, size_t length, const char *scheme
) {
  const char *value;
  size_t value_length;
  buffer token;
  token_verdict verdict = TOKEN_MALFORMED;
  if (!json_member(text, length, "token", &value, &value_length)) {
    return TOKEN_MALFORMED;
  }
  if (*value != '"') return TOKEN_MALFORMED;
  buffer_init(&token, TOKEN_MAX);
  (void)json_read_string(&token, value, value_length);
  if (token.state != BUFFER_OK) {
    verdict = verdict_of(&token);
  } else if (
    token.length > 0 && token_problem(token.data, token.length) == NULL
  ) {
    verdict = authorization_make(
      &answer->authorization, scheme, token.data, token.length
    ) ? TOKEN_OK : TOKEN_MEMORY;
  }
  buffer_free(&token);
  return verdict;
}

/* protojson writes an int64 as a string; others write a number. */
static token_verdict read_lifetime(
  token_answer *answer, const char *text, size_t length
) {
  const char *value;
  size_t value_length;
  long long seconds = 0;
  size_t i;
  if (!json_member(text, length, "expiresIn", &value, &value_length)) {
    return TOKEN_OK;
  }
  if (is_null(value)) return TOKEN_OK;
  if (*value == '"') {
    value++;
    value_length -= 2;
  }
  for (i = 0; i < value_length && value[i] >= '0' && value[i] <= '9'; i++) {
    if (seconds < LIFETIME_MAX) seconds = seconds * 10 + (value[i] - '0');
  }
  if (i == 0) return TOKEN_MALFORMED;
  if (i < value_length && value[i] == '.') i += 1 + strspn(value + i + 1, "0");
  if (i < value_length) return TOKEN_MALFORMED;
  answer->expires_in = seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX;
  return TOKEN_OK;
}

static token_verdict read_scope(
  token_answer *answer, const char *text, size_t length
) {
  const char *value;
  size_t value_length;
  if (!json_member(text, length, "scope", &value, &value_length)) {
    return TOKEN_OK;
  }
  if (is_null(value)) return TOKEN_OK;
  if (*value != '"') return TOKEN_MALFORMED;
  (void)json_read_string(&answer->scope, value, value_length);
  return verdict_of(&answer->scope);
}

token_verdict token_answer_read(
  token_answer *answer, const char *text, size_t length, const char *scheme
) {
  token_verdict verdict;
  init(answer);
  verdict = read_token(answer, text, length, scheme);
  if (verdict == TOKEN_OK) verdict = read_lifetime(answer, text, length);
  if (verdict == TOKEN_OK) verdict = read_scope(answer, text, length);
  if (verdict != TOKEN_OK) {
    authorization_free(&answer->authorization);
    buffer_free(&answer->scope);
  }
  return verdict;
}
