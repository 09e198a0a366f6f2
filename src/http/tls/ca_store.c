#include "http/tls/ca_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/tls/openssl.h"

#define FILE_MAX (4 * 1024 * 1024)

/* From <openssl/x509_vfy.h> and <openssl/err.h>. */
#define X509_V_FLAG_TRUSTED_FIRST 0x8000UL
#define X509_V_FLAG_PARTIAL_CHAIN 0x80000UL
#define ERR_REASON_MASK 0x7FFFFFUL
#define ERR_LIB_OFFSET 23
#define ERR_LIB_MASK 0xFFUL
#define ERR_LIB_PEM 9
#define ERR_R_MALLOC_FAILURE 0xC0100UL
#define PEM_R_NO_START_LINE 108

bool ca_store_is_parsable(void) {
  return openssl_functions() != NULL;
}

/* --- reading --- */

/* Until the end of the file or until the buffer is full. */
static bool read_all(int fd, buffer *text) {
  char piece[4096];
  for (;;) {
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    if (!buffer_append(text, piece, (size_t)got)) return false;
  }
}

const char *ca_store_read(ca_store *ca, const char *path) {
  buffer *text = &ca->text;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  bool complete;
  if (fd < 0) return "cannot be opened";
  buffer_init(text, FILE_MAX);
  complete = fstat(fd, &info) == 0 && S_ISREG(info.st_mode)
    && read_all(fd, text);
  close(fd);
  if (complete) buffer_append(text, "", 1);
  if (text->state == BUFFER_MEMORY) return "cannot be read: memory is short";
  if (!complete || text->state != BUFFER_OK) {
    return "cannot be read as a file of at most 4 MiB";
  }
  if (strstr(text->data, "-----BEGIN ") == NULL) {
    return "holds no PEM certificate";
  }
  text->length--;
  return NULL;
}

/* --- parsing --- */

/* OpenSSL computes some facts on first use and caches even a failure for lack
 * of memory. So compute them now, while we can report it. */
static bool is_worked_out(const openssl *o, void *certificate) {
  const void *key = o->X509_get0_pubkey(certificate);
  return key != NULL && o->EVP_PKEY_get_security_bits(key) > 0
    && o->X509_check_purpose(certificate, -1, 0) == 1;
}

static bool add_certificate(const openssl *o, void *store, void *certificate) {
  bool added = is_worked_out(o, certificate)
    && o->X509_STORE_add_cert(store, certificate) == 1;
  o->X509_free(certificate);
  return added;
}

static bool add_list(const openssl *o, void *store, void *list) {
  bool added = o->X509_STORE_add_crl(store, list) == 1;
  o->X509_CRL_free(list);
  return added;
}

/* Nobody is asked for a pass phrase: OpenSSL would ask on the terminal. */
static int refuse_password(char *to, int size, int writing, void *context) {
  (void)to;
  (void)size;
  (void)writing;
  (void)context;
  return -1;
}

/* A kind of block in a PEM file: how to read the next one, and to add it. */
typedef struct pem_kind {
  pem_reader *read;
  bool (*add)(const openssl *o, void *store, void *item);
} pem_kind;

/* True if the last error only says that there are no more blocks to read. */
static bool is_end(const openssl *o) {
  unsigned long error = o->ERR_peek_last_error();
  return (error & ERR_REASON_MASK) == PEM_R_NO_START_LINE
    && ((error >> ERR_LIB_OFFSET) & ERR_LIB_MASK) == ERR_LIB_PEM;
}

/* Adds all blocks of this kind. False when one is malformed. */
static bool add_blocks(
  const openssl *o, void *store, const buffer *text, pem_kind kind, bool *any
) {
  void *bio = o->BIO_new_mem_buf(text->data, (int)text->length);
  bool good = bio != NULL;
  void *item = NULL;
  while (good) {
    item = kind.read(bio, NULL, refuse_password, NULL);
    if (item == NULL) break;
    good = kind.add(o, store, item);
    *any = true;
  }
  if (good) {
    good = is_end(o);
    if (good) o->ERR_clear_error();
  }
  o->BIO_free(bio);
  return good;
}

/* As libcurl does it: all or nothing, and something there must be. */
static bool add_text(const openssl *o, void *store, const buffer *text) {
  pem_kind certificates = {o->PEM_read_bio_X509_AUX, add_certificate};
  pem_kind lists = {o->PEM_read_bio_X509_CRL, add_list};
  bool any = false;
  return add_blocks(o, store, text, certificates, &any)
    && add_blocks(o, store, text, lists, &any)
    && any;
}

/* The flags are libcurl's, which has certificates of the store trusted that are
 * not roots. */
static void *parse(const openssl *o, const buffer *text) {
  void *store = o->X509_STORE_new();
  if (
    store != NULL && add_text(o, store, text)
    && o->X509_STORE_set_flags(
      store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN
    ) == 1
  ) {
    return store;
  }
  o->X509_STORE_free(store);
  return NULL;
}

/* Takes the errors of this thread away: the first tell what began it, the last
 * where it was noticed. */
static bool was_memory_short(const openssl *o) {
  unsigned long error;
  bool is_short = false;
  while ((error = o->ERR_get_error()) != 0) {
    if ((error & ERR_REASON_MASK) == ERR_R_MALLOC_FAILURE) is_short = true;
  }
  return is_short;
}

bool ca_store_parse(ca_store *ca) {
  const openssl *o = openssl_functions();
  if (o == NULL) return true;
  o->ERR_clear_error(); /* as libcurl does before each step */
  ca->parsed = parse(o, &ca->text);
  if (ca->parsed == NULL) return !was_memory_short(o);
  buffer_free(&ca->text);
  return true;
}

/* --- use --- */

bool ca_store_trust(const ca_store *ca, void *context) {
  const openssl *o = openssl_functions();
  if (o == NULL || ca->parsed == NULL) return false;
  if (o->X509_STORE_up_ref(ca->parsed) != 1) return false;
  o->SSL_CTX_set_cert_store(context, ca->parsed); /* takes the reference */
  return o->SSL_CTX_get_cert_store(context) == ca->parsed;
}

void ca_store_free(ca_store *ca) {
  if (ca->parsed != NULL) openssl_functions()->X509_STORE_free(ca->parsed);
  ca->parsed = NULL;
  buffer_free(&ca->text);
}
