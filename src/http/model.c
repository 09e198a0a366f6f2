#include "http/model.h"

#include <dirent.h>
#include <string.h>

#include "http/exchange.h"
#include "http/tls/ca_store.h"
#include "http/tls/cleanse.h"
#include "http/tls/openssl.h"

#define SYSTEM_CA_PATH "/etc/ssl/certs"

/* A directory in which nothing can be. libcurl is sent there when our callback
 * says what is trusted: without a place of its own it may take the system's
 * (built with CURL_CA_FALLBACK), and from 7.88 to 8.2 it would add those to our
 * store, or put the one of an earlier connection in its place. Should the
 * callback not be called, no certificate is trusted. */
#define NOWHERE "/dev/null"
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
  blob.data = t->ca.text.data;
  blob.len = t->ca.text.length;
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
static void name_certificates(setter *s, transport *t, const char *path) {
  s->code = CURLE_OK;
  set_ca_file(s, path);
  ca_store_free(&t->ca);
}

/* For libcurl to parse at each connection. */
static void give_certificates(
  setter *s, transport *t, const transport_settings *settings
) {
  struct curl_blob blob = certificates(t);
  set_ca_path(s, settings->ca_path);
  set_certificates(s, &blob); /* only tried here: see easy_copy */
  if (s->code == CURLE_NOT_BUILT_IN) {
    name_certificates(s, t, settings->ca_file);
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
  return openssl_functions() != NULL
    && curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, ca) == CURLE_OK
    && curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_up_context)
      == CURLE_OK;
}

/* NULL, or what is wrong with ca_file. A directory beside it is libcurl's to
 * look into at each connection, so that it gets both. */
static const char *set_trust(
  setter *s, transport *t, const transport_settings *settings
) {
  bool is_ours = set_context_callback(s->easy, &t->ca);
  const char *problem;
  const char *path = settings->ca_path;
  if (settings->ca_file == NULL) {
    if (path == NULL) path = system_ca_path(s->easy);
    set_ca_path(s, path);
    if (path != NULL) set_ca_file(s, NULL);
    return NULL;
  }
  problem = ca_store_read(&t->ca, settings->ca_file);
  if (problem != NULL) return problem;
  set_ca_file(s, NULL);
  if (is_ours && path == NULL && !ca_store_parse(&t->ca)) {
    return "cannot be read: memory is short";
  }
  if (t->ca.parsed == NULL) {
    give_certificates(s, t, settings);
  } else {
    set_ca_path(s, NOWHERE);
  }
  return NULL;
}

static void set_client(setter *s, const transport_settings *settings) {
  set_text(s, CURLOPT_SSLCERT, settings->client_cert);
  set_text(s, CURLOPT_SSLKEY, settings->client_key);
  set_long(s, CURLOPT_CONNECTTIMEOUT_MS, settings->connect_timeout_ms);
}

static void write_agent(buffer *line, const char *agent) {
  buffer_init(line, AGENT_MAX);
  if (agent == NULL) return;
  buffer_text(line, "User-Agent: ");
  buffer_text(line, agent);
  buffer_append(line, "", 1);
}

/* libcurl tells a proxy too, but writes a line of its own twice over. */
static void set_agent(
  setter *s, transport *t, const transport_settings *settings
) {
  const char *proxy = settings->proxy;
  if (proxy != NULL && *proxy != '\0') {
    set_text(s, CURLOPT_USERAGENT, settings->user_agent);
  } else {
    write_agent(&t->agent, settings->user_agent);
  }
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
  set_origin(&s, t);
  set_callbacks(&s);
  set_agent(&s, t, settings);
  (void)curl_easy_setopt(s.easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
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
