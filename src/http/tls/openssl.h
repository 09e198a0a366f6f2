/* The OpenSSL 3 that this libcurl uses, found at run time: this is compiled
 * without its headers and linked without it, and the process may hold another
 * one. The functions are those of its manual pages; its objects, of which
 * nothing is known here, are `void`. */
#ifndef BYTENITE_OPENSSL_H
#define BYTENITE_OPENSSL_H

#include <stdint.h>

/* Asks for the pass phrase of an encrypted block. */
typedef int pem_password(char *to, int size, int writing, void *context);

/* Reads the next block of a kind. NULL when there is none, or it is
 * malformed. */
typedef void *pem_reader(
  void *bio, void **to, pem_password *ask, void *context
);

#define OPENSSL_FUNCTIONS(F) \
  F(void *, BIO_new_mem_buf, (const void *data, int length)) \
  F(int, BIO_free, (void *bio)) \
  F(void, ERR_clear_error, (void)) \
  F(unsigned long, ERR_get_error, (void)) \
  F(unsigned long, ERR_peek_last_error, (void)) \
  F(int, EVP_PKEY_get_security_bits, (const void *key)) \
  F(void *, PEM_read_bio_X509_AUX, \
    (void *bio, void **to, pem_password *ask, void *context)) \
  F(void *, PEM_read_bio_X509_CRL, \
    (void *bio, void **to, pem_password *ask, void *context)) \
  F(void *, SSL_CTX_get_cert_store, (const void *context)) \
  F(void, SSL_CTX_set_cert_store, (void *context, void *store)) \
  F(uint64_t, SSL_CTX_set_options, (void *context, uint64_t options)) \
  F(int, SSL_pending, (const void *connection)) \
  F(uint64_t, SSL_clear_options, (void *connection, uint64_t options)) \
  F(uint64_t, SSL_set_options, (void *connection, uint64_t options)) \
  F(void, X509_CRL_free, (void *list)) \
  F(int, X509_check_purpose, (void *certificate, int purpose, int ca)) \
  F(void, X509_free, (void *certificate)) \
  F(void *, X509_get0_pubkey, (const void *certificate)) \
  F(void *, X509_STORE_new, (void)) \
  F(int, X509_STORE_add_cert, (void *store, void *certificate)) \
  F(int, X509_STORE_add_crl, (void *store, void *list)) \
  F(int, X509_STORE_set_flags, (void *store, unsigned long flags)) \
  F(int, X509_STORE_up_ref, (void *store)) \
  F(void, X509_STORE_free, (void *store))

typedef struct openssl {
#define OPENSSL_MEMBER(result, name, arguments) result (*name) arguments;
  OPENSSL_FUNCTIONS(OPENSSL_MEMBER)
#undef OPENSSL_MEMBER
} openssl;

/* NULL when libcurl uses another TLS library or another version, or when not
 * all of the functions are to be found. */
const openssl *openssl_functions(void);

#endif
