#include "easy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanse.h"
#include "exchange.h"

#define CA_FILE_MAX (4 * 1024 * 1024)
#define SYSTEM_CA_PATH "/etc/ssl/certs"
#define AGENT_MAX (16 * 1024)

/* The smallest that libcurl takes. Over TLS it takes one, and wipes it, for
 * each body that it sends. */
#define UPLOAD_BUFFER (16 * 1024)

#define REFUSED "this libcurl refuses an option that security depends on"

/* A handle whose options are being set. */
typedef struct setter {
  CURL *easy;
  CURLcode code; /* the first failure; later settings do nothing */
} setter;

static void set_long(setter *s, CURLoption option, long value) {
  if (s->code == CURLE_OK) s->code = curl_easy_setopt(s->easy, option, value);
}

static void set_text(setter *s, CURLoption option, const char *value) {
  if (s->code == CURLE_OK) s->code = curl_easy_setopt(s->easy, option, value);
}

static void set_blob(
  setter *s, CURLoption option, const struct curl_blob *value
) {
  if (s->code == CURLE_OK) s->code = curl_easy_setopt(s->easy, option, value);
}

static void set_protocols(setter *s, bool http) {
#if LIBCURL_VERSION_NUM >= 0x075500
  set_text(s, CURLOPT_PROTOCOLS_STR, http ? "http,https" : "https");
  set_text(s, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
  set_long(s, CURLOPT_PROTOCOLS,
    CURLPROTO_HTTPS | (http ? CURLPROTO_HTTP : 0L));
  set_long(s, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS);
#endif
}

/* What must hold in every request, whatever the host or the environment set:
 * certificates are verified, TLS is 1.2 or newer, and nothing is followed,
 * read from a file or kept from earlier answers. */
static void set_rules(setter *s) {
  set_long(s, CURLOPT_SSL_VERIFYPEER, 1L);
  set_long(s, CURLOPT_SSL_VERIFYHOST, 2L);
  set_long(s, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  set_long(s, CURLOPT_FOLLOWLOCATION, 0L);
  set_long(s, CURLOPT_MAXREDIRS, 0L);
  set_long(s, CURLOPT_UNRESTRICTED_AUTH, 0L);
  set_long(s, CURLOPT_NETRC, CURL_NETRC_IGNORED);
  set_long(s, CURLOPT_HTTP09_ALLOWED, 0L);
  set_long(s, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  set_long(s, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set_long(s, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE);
  set_long(s, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set_long(s, CURLOPT_NOSIGNAL, 1L);
}

/* Before 8.8 libcurl frees twice when memory ends while it keeps a TLS session,
 * and keeps them per handle, so that hardly one is used again. */
static void set_sessions(setter *s, unsigned libcurl) {
  if (libcurl < 0x080800) set_long(s, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

/* Our request target is in origin form, so a proxy is always tunnelled
 * through; it sees neither the Authorization line nor the body over https. */
static void set_proxy(
  setter *s, const transport_settings *settings, bool loopback
) {
  bool direct_only = settings->proxy == NULL
    || (settings->remote_proxy && loopback);
  const char *proxy = direct_only ? "" : settings->proxy;
  const char *direct = settings->no_proxy == NULL ? "" : settings->no_proxy;
  set_text(s, CURLOPT_PROXY, proxy);
  set_text(s, CURLOPT_NOPROXY, direct);
  set_long(s, CURLOPT_HTTPPROXYTUNNEL, 1L);
  if (*proxy == '\0') return;
  set_long(s, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
  set_long(s, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
  set_long(s, CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
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
static void set_ca_path(setter *s, const char *path) {
  set_text(s, CURLOPT_CAPATH, path);
  set_text(s, CURLOPT_PROXY_CAPATH, path);
}

static void set_ca_file(setter *s, const char *path) {
  set_text(s, CURLOPT_CAINFO, path);
  set_text(s, CURLOPT_PROXY_CAINFO, path);
}

/* NULL takes them away. */
static void set_certificates(setter *s, const struct curl_blob *blob) {
  set_blob(s, CURLOPT_CAINFO_BLOB, blob);
  set_blob(s, CURLOPT_PROXY_CAINFO_BLOB, blob);
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
  if (complete) buffer_append(ca, "", 1);
  if (ca->state == BUFFER_MEMORY) return "cannot be read: memory is short";
  if (!complete || ca->state != BUFFER_OK) {
    return "cannot be read as a file of at most 4 MiB";
  }
  if (strstr(ca->data, "-----BEGIN ") == NULL) {
    return "holds no PEM certificate";
  }
  ca->length--;
  return NULL;
}

/* With GnuTLS libcurl takes no certificates from memory: it reads the file at
 * each connection. */
static void name_certificates(setter *s, transport *t, const char *path) {
  s->code = CURLE_OK;
  set_ca_file(s, path);
  buffer_free(&t->ca);
}

/* NULL, or what is wrong with ca_file. */
static const char *set_trust(
  setter *s, transport *t, const transport_settings *settings
) {
  const char *problem;
  const char *path = settings->ca_path;
  struct curl_blob blob;
  if (settings->ca_file == NULL) {
    if (path == NULL) path = system_ca_path(s->easy);
    set_ca_path(s, path);
    if (path != NULL) set_ca_file(s, NULL);
    return NULL;
  }
  problem = read_ca_file(&t->ca, settings->ca_file);
  if (problem != NULL) return problem;
  set_ca_path(s, path);
  set_ca_file(s, NULL);
  blob = certificates(t);
  set_certificates(s, &blob); /* only tried here: see easy_copy */
  if (s->code == CURLE_NOT_BUILT_IN) {
    name_certificates(s, t, settings->ca_file);
  } else {
    set_certificates(s, NULL);
  }
  return NULL;
}

static void set_client(setter *s, const transport_settings *settings) {
  set_text(s, CURLOPT_SSLCERT, settings->client_cert);
  set_text(s, CURLOPT_SSLKEY, settings->client_key);
  set_long(s, CURLOPT_CONNECTTIMEOUT_MS, settings->connect_timeout_ms);
}

/* A whole line, because libcurl would write one of its own twice over. */
static void write_agent(buffer *line, const char *agent) {
  buffer_init(line, AGENT_MAX);
  if (agent == NULL) return;
  buffer_text(line, "User-Agent: ");
  buffer_text(line, agent);
  buffer_append(line, "", 1);
}

static void set_origin(setter *s, transport *t) {
  if (s->code != CURLE_OK) return;
  s->code = curl_easy_setopt(s->easy, CURLOPT_CURLU, t->base.origin);
  if (s->code == CURLE_OK) {
    s->code = connections_watch(s->easy, &t->connections);
  }
}

static void set_callbacks(setter *s) {
  if (s->code == CURLE_OK && !exchange_set_callbacks(s->easy)) {
    s->code = CURLE_UNKNOWN_OPTION;
  }
}

const char *easy_model(
  transport *t, const transport_settings *settings, const char **option
) {
  setter s = {curl_easy_init(), CURLE_OK};
  const char *problem;
  t->model = s.easy;
  if (s.easy == NULL) return "memory is short";
  *option = "ca_file";
  problem = set_trust(&s, t, settings);
  if (problem != NULL) return problem;
  *option = NULL;
  set_rules(&s);
  set_sessions(&s, t->libcurl);
  set_protocols(&s, t->base.loopback || settings->allow_http);
  set_proxy(&s, settings, t->base.loopback);
  set_client(&s, settings);
  set_long(&s, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
  set_origin(&s, t);
  set_callbacks(&s);
  write_agent(&t->agent, settings->user_agent);
  cleanse_decrypted(s.easy);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* A hung resolver must not hold up the end of a transfer; a libcurl that is
   * older at run time does not know the option and is slower there. */
  (void)curl_easy_setopt(s.easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  if (s.code == CURLE_OUT_OF_MEMORY || t->agent.state != BUFFER_OK) {
    return "memory is short";
  }
  return s.code == CURLE_OK ? NULL : REFUSED;
}

/* The model holds no certificates: when memory ends in the middle of copying
 * them, a libcurl before 8.5 frees those of the original. */
CURL *easy_copy(const transport *t) {
  setter s = {curl_easy_duphandle(t->model), CURLE_OK};
  struct curl_blob blob = certificates(t);
  if (s.easy == NULL || blob.len == 0) return s.easy;
  set_certificates(&s, &blob);
  if (s.code == CURLE_OK) return s.easy;
  curl_easy_cleanup(s.easy);
  return NULL;
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

const char *easy_ca_store(void) {
  CURL *easy = curl_easy_init();
  const char *path;
  if (easy == NULL) return NULL;
  path = system_ca_path(easy);
  if (path == NULL) path = system_ca_file(easy);
  curl_easy_cleanup(easy); /* the texts are constants of libcurl */
  return path;
}
