/* The answer to a token exchange, read here so that the token never becomes a
 * Lua string. */
#ifndef BYTENITE_TOKEN_ANSWER_H
#define BYTENITE_TOKEN_ANSWER_H

#include <stddef.h>

#include "bytes/buffer.h"
#include "http/authorization.h"

typedef enum token_verdict {
  TOKEN_OK,
  TOKEN_MALFORMED,
  TOKEN_MEMORY
} token_verdict;

typedef struct token_answer {
  authorization authorization;
  long long expires_in; /* seconds; 3600 when the answer does not say */
  buffer scope;         /* empty when there is none */
} token_answer;

/* Reads a text that is valid JSON. The token goes into a header line with
 * `scheme`, which may be NULL. With TOKEN_OK the caller owns what `answer`
 * holds; else it holds nothing. */
token_verdict token_answer_read(
  token_answer *answer, const char *text, size_t length, const char *scheme
);

#endif
