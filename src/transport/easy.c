#include "easy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

#define CA_FILE_MAX (4 * 1024 * 1024)
#define SYSTEM_CA_PATH "/etc/ssl/certs"

#define REFUSED "this libcurl refuses an option that security depends on"

/* So that a host's child processes do not inherit the connection. */
static curl_socket_t open_socket(
  void *context, curlsocktype purpose, struct curl_sockaddr *address
) {
  (void)context;
  (void)purpose;
  return socket(
    address->family, address->socktype | SOCK_CLOEXEC, address->protocol
  );
}

static bool set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool set_text(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool set_protocols(CURL *easy, bool http) {
#if LIBCURL_VERSION_NUM >= 0x075500
  return set_text(easy, CURLOPT_PROTOCOLS_STR, http ? "http,https" : "https")
    && set_text(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
  return set_long(easy, CURLOPT_PROTOCOLS,
      CURLPROTO_HTTPS | (http ? CURLPROTO_HTTP : 0L))
    && set_long(easy, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS);
#endif
}

/* What must hold in every request, whatever the host or the environment set:
 * certificates are verified, TLS is 1.2 or newer, and nothing is followed,
 * read from a file or kept from earlier answers. */
static bool set_rules(CURL *easy) {
  return set_long(easy, CURLOPT_SSL_VERIFYPEER, 1L)
    && set_long(easy, CURLOPT_SSL_VERIFYHOST, 2L)
    && set_long(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
    && set_long(easy, CURLOPT_FOLLOWLOCATION, 0L)
    && set_long(easy, CURLOPT_MAXREDIRS, 0L)
    && set_long(easy, CURLOPT_UNRESTRICTED_AUTH, 0L)
    && set_long(easy, CURLOPT_NETRC, CURL_NETRC_IGNORED)
    && set_long(easy, CURLOPT_HTTP09_ALLOWED, 0L)
    && set_long(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
    && set_long(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L)
    && set_long(easy, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE)
    && set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L)
    && set_long(easy, CURLOPT_NOSIGNAL, 1L);
}

/* Before 8.8 libcurl frees twice when memory ends while it keeps a TLS session,
 * and keeps them per handle, so that hardly one is used again. */
static bool set_sessions(CURL *easy, unsigned libcurl_version) {
  return libcurl_version >= 0x080800
    || set_long(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

/* Our request target is in origin form, so a proxy is always tunnelled
 * through; it sees neither the Authorization line nor the body over https. */
static bool set_proxy(
  CURL *easy, const transport_settings *settings, bool loopback
) {
  bool direct_only = settings->proxy == NULL
    || (settings->remote_proxy && loopback);
  const char *proxy = direct_only ? "" : settings->proxy;
  const char *direct = settings->no_proxy == NULL ? "" : settings->no_proxy;
  return set_text(easy, CURLOPT_PROXY, proxy)
    && set_text(easy, CURLOPT_NOPROXY, direct)
    && set_long(easy, CURLOPT_HTTPPROXYTUNNEL, 1L)
    && (*proxy == '\0'
      || (set_long(easy, CURLOPT_PROXY_SSL_VERIFYPEER, 1L)
        && set_long(easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2L)
        && set_long(easy, CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2)));
}

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
static bool set_ca_path(CURL *easy, const char *path) {
  return set_text(easy, CURLOPT_CAPATH, path)
    && set_text(easy, CURLOPT_PROXY_CAPATH, path);
}

static bool unset_ca_file(CURL *easy) {
  return set_text(easy, CURLOPT_CAINFO, NULL)
    && set_text(easy, CURLOPT_PROXY_CAINFO, NULL);
}

/* NULL takes them away. */
static bool set_certificates(CURL *easy, const struct curl_blob *blob) {
  return curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, blob) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO_BLOB, blob) == CURLE_OK;
}

static struct curl_blob certificates(const transport *t) {
  struct curl_blob blob = {NULL, 0, CURL_BLOB_NOCOPY};
  blob.data = t->ca.data;
  blob.len = t->ca.length;
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

/* Reads until the end of the file or until the buffer is full. */
static bool read_all(int fd, buffer *text) {
  char piece[4096];
  for (;;) {
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    if (!buffer_append(text, piece, (size_t)got)) return false;
  }
}

static const char *read_ca_file(buffer *ca, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  bool complete;
  if (fd < 0) return "cannot be opened";
  buffer_init(ca, CA_FILE_MAX);
  complete = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && read_all(fd, ca);
  close(fd);
  if (!complete) return "cannot be read as a file of at most 4 MiB";
  buffer_append(ca, "", 1);
  if (ca->state != BUFFER_OK) return "cannot be read: memory is short";
  if (strstr(ca->data, "-----BEGIN ") == NULL) return "holds no PEM certificate";
  ca->length--;
  return NULL;
}

static const char *set_trust(
  transport *t, const transport_settings *settings, const char **option
) {
  CURL *easy = t->model;
  struct curl_blob blob;
  const char *problem;
  const char *path = settings->ca_path;
  if (settings->ca_file == NULL) {
    if (path == NULL) path = system_ca_path(easy);
    return set_ca_path(easy, path) && (path == NULL || unset_ca_file(easy))
      ? NULL : REFUSED;
  }
  *option = "ca_file";
  problem = read_ca_file(&t->ca, settings->ca_file);
  if (problem != NULL) return problem;
  *option = NULL;
  /* Only tried here: see easy_copy. */
  blob = certificates(t);
  return set_ca_path(easy, path) && unset_ca_file(easy)
    && set_certificates(easy, &blob) && set_certificates(easy, NULL)
    ? NULL : REFUSED;
}

static bool set_client_certificate(
  CURL *easy, const transport_settings *settings
) {
  return set_text(easy, CURLOPT_SSLCERT, settings->client_cert)
    && set_text(easy, CURLOPT_SSLKEY, settings->client_key);
}

const char *easy_model(
  transport *t, const transport_settings *settings, const char **option
) {
  CURL *easy = curl_easy_init();
  const char *problem;
  t->model = easy;
  if (easy == NULL) return "memory is short";
  if (t->libcurl < 0x075000) return "libcurl is older than 7.80";
  if (
    !set_rules(easy)
    || !set_sessions(easy, t->libcurl)
    || !set_protocols(easy, t->base.loopback || settings->allow_http)
    || !set_proxy(easy, settings, t->base.loopback)
    || !set_client_certificate(easy, settings)
    || curl_easy_setopt(easy, CURLOPT_CURLU, t->base.origin) != CURLE_OK
    || curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket)
      != CURLE_OK
    || !set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, settings->connect_timeout_ms)
    || !set_text(easy, CURLOPT_USERAGENT, settings->user_agent)
  ) {
    return REFUSED;
  }
  problem = set_trust(t, settings, option);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* A hung resolver must not hold up the end of a transfer; a libcurl that is
   * older at run time does not know the option and is slower there. */
  (void)set_long(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  return problem;
}

/* The model holds no certificates: when memory ends in the middle of copying
 * them, a libcurl before 8.5 frees those of the original. */
CURL *easy_copy(const transport *t) {
  CURL *easy = curl_easy_duphandle(t->model);
  struct curl_blob blob = certificates(t);
  if (easy == NULL || blob.len == 0 || set_certificates(easy, &blob)) {
    return easy;
  }
  curl_easy_cleanup(easy);
  return NULL;
}
