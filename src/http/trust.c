#include "http/trust.h"

#include <dirent.h>
#include <string.h>

#include "http/tls/cleanse.h"

#define SYSTEM_CA_PATH "/etc/ssl/certs"

/* A directory in which nothing can be. libcurl is sent there when our callback
 * says what is trusted: without a place of its own it may take the system's
 * (built with CURL_CA_FALLBACK), and from 7.88 to 8.2 it would add those to our
 * store, or put the one of an earlier connection in its place. Should the
 * callback not be called, no certificate is trusted. */
#define NOWHERE "/dev/null"

/* Whether a directory holds certificates under the hashes of their names. */
static bool is_hashed(const char *path) {
  DIR *directory = opendir(path);
  bool found = false;
  const struct dirent *entry;
  if (directory == NULL) return false;
  while (!found && (entry = readdir(directory)) != NULL) {
    size_t length = strlen(entry->d_name);
    found = length > 2 && strcmp(entry->d_name + length - 2, ".0") == 0;
  }
  closedir(directory);
  return found;
}

/* Certificates come from one place. With a file and a directory both set, as
 * Debian's libcurl has them by default, libcurl cannot keep the parsed store
 * and reads all of it again for each connection. */
static void set_ca_path(setter *s, const char *path) {
  setter_text(s, CURLOPT_CAPATH, path);
  setter_text(s, CURLOPT_PROXY_CAPATH, path);
}

static void set_ca_file(setter *s, const char *path) {
  setter_text(s, CURLOPT_CAINFO, path);
  setter_text(s, CURLOPT_PROXY_CAINFO, path);
}

/* NULL takes them away. */
static void set_certificates(setter *s, const struct curl_blob *blob) {
  setter_blob(s, CURLOPT_CAINFO_BLOB, blob);
  setter_blob(s, CURLOPT_PROXY_CAINFO_BLOB, blob);
}

static struct curl_blob certificates(const ca_store *ca) {
  struct curl_blob blob = {NULL, 0, CURL_BLOB_NOCOPY};
  blob.data = ca->text.data;
  blob.len = ca->text.length;
  return blob;
}

/* Where this libcurl was built to look for hashed certificates. */
static const char *system_ca_path(CURL *easy) {
  const char *path = NULL;
#if LIBCURL_VERSION_NUM >= 0x075400
  char *built = NULL;
  if (curl_easy_getinfo(easy, CURLINFO_CAPATH, &built) == CURLE_OK) {
    path = built;
  }
#endif
  (void)easy;
  if (path == NULL) path = SYSTEM_CA_PATH;
  return is_hashed(path) ? path : NULL;
}

/* With GnuTLS libcurl takes no certificates from memory: it reads the file at
 * each connection. */
static void name_certificates(setter *s, ca_store *ca, const char *path) {
  s->code = CURLE_OK;
  set_ca_file(s, path);
  ca_store_free(ca);
}

/* For libcurl to parse at each connection. */
static void give_certificates(
  setter *s, ca_store *ca, const http_settings *settings
) {
  struct curl_blob blob = certificates(ca);
  set_ca_path(s, settings->ca_path);
  set_certificates(s, &blob); /* only tried here: see trust_set_copy */
  if (s->code == CURLE_NOT_BUILT_IN) {
    name_certificates(s, ca, settings->ca_file);
  } else {
    set_certificates(s, NULL);
  }
}

/* Called by libcurl for each connection, to the proxy as well, before the
 * handshake. */
static CURLcode set_up_context(CURL *easy, void *context, void *data) {
  const ca_store *ca = data;
  (void)easy;
  cleanse_decrypted(context);
  if (ca->parsed == NULL) return CURLE_OK; /* libcurl loads what is trusted */
  return ca_store_trust(ca, context) ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

/* False when this libcurl does not call it, or not for OpenSSL 3. */
static bool set_context_callback(CURL *easy, ca_store *ca) {
  return ca_store_is_parsable()
    && curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, ca) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_up_context)
      == CURLE_OK;
}

/* A directory beside the file is libcurl's to look into at each connection, so
 * that it gets both. */
static const char *trust_file(
  setter *s, ca_store *ca, const http_settings *settings, bool is_ours
) {
  const char *problem = ca_store_read(ca, settings->ca_file);
  if (problem != NULL) return problem;
  set_ca_file(s, NULL);
  if (is_ours && settings->ca_path == NULL && !ca_store_parse(ca)) {
    return "cannot be read: memory is short";
  }
  if (ca->parsed == NULL) {
    give_certificates(s, ca, settings);
  } else {
    set_ca_path(s, NOWHERE);
  }
  return NULL;
}

const char *trust_set(
  setter *s, ca_store *ca, const http_settings *settings
) {
  bool is_ours = set_context_callback(s->easy, ca);
  const char *path = settings->ca_path;
  if (settings->ca_file != NULL) return trust_file(s, ca, settings, is_ours);
  if (path == NULL) path = system_ca_path(s->easy);
  set_ca_path(s, path);
  if (path != NULL) set_ca_file(s, NULL);
  return NULL;
}

void trust_set_copy(setter *s, const ca_store *ca) {
  struct curl_blob blob = certificates(ca);
  if (blob.len > 0) set_certificates(s, &blob);
}

/* The file that this libcurl was built with. */
static const char *system_ca_file(CURL *easy) {
  char *built = NULL;
#if LIBCURL_VERSION_NUM >= 0x075400
  (void)curl_easy_getinfo(easy, CURLINFO_CAINFO, &built);
#endif
  (void)easy;
  return built;
}

const char *trust_default(void) {
  CURL *easy = curl_easy_init();
  const char *path;
  if (easy == NULL) return NULL;
  path = system_ca_path(easy);
  if (path == NULL) path = system_ca_file(easy);
  curl_easy_cleanup(easy); /* the texts are constants of libcurl */
  return path;
}
