#include "core/token_answer.h"

#include <stdbool.h>
#include <string.h>

#include "json/scan.h"
#include "json/string.h"

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

/* A member that is not there, or null, has its default. */
static bool is_given(const json_member *member) {
  return member->value != NULL && *member->value != 'n';
}

static token_verdict read_token(
  token_answer *answer, const json_member *member, const char *scheme
) {
  buffer token;
  token_verdict verdict = TOKEN_MALFORMED;
  if (!is_given(member) || *member->value != '"') return TOKEN_MALFORMED;
  buffer_init(&token, TOKEN_MAX);
  (void)json_read_string(&token, member->value, member->length);
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
  token_answer *answer, const json_member *member
) {
  const char *value = member->value;
  size_t length = member->length;
  long long seconds = 0;
  size_t i;
  if (!is_given(member)) return TOKEN_OK;
  if (*value == '"') {
    value++;
    length -= 2;
  }
  for (i = 0; i < length && value[i] >= '0' && value[i] <= '9'; i++) {
    if (seconds < LIFETIME_MAX) seconds = seconds * 10 + (value[i] - '0');
  }
  if (i == 0) return TOKEN_MALFORMED;
  if (i < length && value[i] == '.') i += 1 + strspn(value + i + 1, "0");
  if (i < length) return TOKEN_MALFORMED;
  answer->expires_in = seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX;
  return TOKEN_OK;
}

static token_verdict read_scope(
  token_answer *answer, const json_member *member
) {
  if (!is_given(member)) return TOKEN_OK;
  if (*member->value != '"') return TOKEN_MALFORMED;
  (void)json_read_string(&answer->scope, member->value, member->length);
  return verdict_of(&answer->scope);
}

token_verdict token_answer_read(
  token_answer *answer, const char *text, size_t length, const char *scheme
) {
  json_member members[] = {
    {"token", NULL, 0}, {"expiresIn", NULL, 0}, {"scope", NULL, 0},
  };
  token_verdict verdict;
  init(answer);
  (void)json_find(text, length, members, 3);
  verdict = read_token(answer, &members[0], scheme);
  if (verdict == TOKEN_OK) verdict = read_lifetime(answer, &members[1]);
  if (verdict == TOKEN_OK) verdict = read_scope(answer, &members[2]);
  if (verdict != TOKEN_OK) {
    authorization_free(&answer->authorization);
    buffer_free(&answer->scope);
  }
  return verdict;
}
