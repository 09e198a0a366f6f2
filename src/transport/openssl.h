/* The OpenSSL 3 that this libcurl uses, found at run time: this is compiled
 * without its headers and linked without it, and the process may hold another
 * one. The functions are those of its manual pages; its objects, of which
 * nothing is known here, are `void`. */
#ifndef BYTENITE_OPENSSL_H
#define BYTENITE_OPENSSL_H

#include <stdint.h>

#define OPENSSL_FUNCTIONS(F) \
  F(uint64_t, SSL_CTX_set_options, (void *context, uint64_t options))

typedef struct openssl {
#define OPENSSL_MEMBER(result, name, arguments) result (*name) arguments;
  OPENSSL_FUNCTIONS(OPENSSL_MEMBER)
#undef OPENSSL_MEMBER
} openssl;

/* NULL when libcurl uses another TLS library or another version, or when not
 * all of the functions are to be found. */
const openssl *openssl_functions(void);

#endif
