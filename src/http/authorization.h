/* The access token, kept as the header line that carries it: requests point
 * into these pages, so no copy is made of it. */
#ifndef BYTENITE_AUTHORIZATION_H
#define BYTENITE_AUTHORIZATION_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes/secret.h"

#define TOKEN_MAX (8 * 1024)

typedef struct authorization {
  secret *line;    /* `Authorization: [scheme ]token`, or NULL for none */
  size_t token_at; /* where the token starts in it */
} authorization;

/* What keeps bytes from standing in a header: NULL, or words that follow the
 * name of the token or key ("is empty"). The bytes of a wiped SecretString are
 * NULL. */
const char *token_problem(const char *token, size_t length);

/* Makes the line; `scheme` may be NULL. False when memory is short. */
bool authorization_make(
  authorization *a, const char *scheme, const char *token, size_t length
);

/* Drops this owner's hold on the line; idempotent. */
void authorization_free(authorization *a);

#endif
