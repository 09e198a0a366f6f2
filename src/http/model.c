#include "http/model.h"

#include "http/setter.h"
#include "http/trust.h"

#define AGENT_MAX (16 * 1024)

/* The smallest that libcurl takes. Over TLS it takes one, and wipes it, for
 * each body that it sends. */
#define UPLOAD_BUFFER (16 * 1024L)

static void set_protocols(setter *s, bool http) {
#if LIBCURL_VERSION_NUM >= 0x075500
  setter_text(s, CURLOPT_PROTOCOLS_STR, http ? "http,https" : "https");
  setter_text(s, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
  setter_long(s, CURLOPT_PROTOCOLS,
    CURLPROTO_HTTPS | (http ? CURLPROTO_HTTP : 0L));
  setter_long(s, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS);
#endif
}

/* What must hold in every request, whatever the host or the environment set:
 * certificates are verified, TLS is 1.2 or newer, and nothing is followed,
 * read from a file or kept from earlier answers. */
static void set_rules(setter *s) {
  setter_long(s, CURLOPT_SSL_VERIFYPEER, 1L);
  setter_long(s, CURLOPT_SSL_VERIFYHOST, 2L);
  setter_long(s, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  setter_long(s, CURLOPT_FOLLOWLOCATION, 0L);
  setter_long(s, CURLOPT_MAXREDIRS, 0L);
  setter_long(s, CURLOPT_UNRESTRICTED_AUTH, 0L);
  setter_long(s, CURLOPT_NETRC, CURL_NETRC_IGNORED);
  setter_long(s, CURLOPT_HTTP09_ALLOWED, 0L);
  setter_long(s, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  setter_long(s, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  setter_long(s, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE);
  setter_long(s, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  setter_long(s, CURLOPT_NOSIGNAL, 1L);
}

/* Before 8.8 libcurl frees twice when memory ends while it keeps a TLS session,
 * and keeps them per handle, so that hardly one is used again. */
static void set_sessions(setter *s, unsigned libcurl) {
  if (libcurl < 0x080800) setter_long(s, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

/* Our request target is in origin form, so a proxy is always tunnelled
 * through; it sees neither the Authorization line nor the body over https. */
static void set_proxy(
  setter *s, const http_settings *settings, bool loopback
) {
  bool direct_only = settings->proxy == NULL
    || (settings->remote_proxy && loopback);
  const char *proxy = direct_only ? "" : settings->proxy;
  const char *direct = settings->no_proxy == NULL ? "" : settings->no_proxy;
  setter_text(s, CURLOPT_PROXY, proxy);
  setter_text(s, CURLOPT_NOPROXY, direct);
  setter_long(s, CURLOPT_HTTPPROXYTUNNEL, 1L);
  if (*proxy == '\0') return;
  setter_long(s, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
  setter_long(s, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
  setter_long(s, CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
}

static void set_client(setter *s, const http_settings *settings) {
  setter_text(s, CURLOPT_SSLCERT, settings->client_cert);
  setter_text(s, CURLOPT_SSLKEY, settings->client_key);
  setter_long(s, CURLOPT_CONNECTTIMEOUT_MS, settings->connect_timeout_ms);
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
  setter *s, model *m, const http_settings *settings
) {
  const char *proxy = settings->proxy;
  if (proxy != NULL && *proxy != '\0') {
    setter_text(s, CURLOPT_USERAGENT, settings->user_agent);
  } else {
    write_agent(&m->agent, settings->user_agent);
  }
}

static void set_origin(setter *s, model *m) {
  if (s->code != CURLE_OK) return;
  s->code = curl_easy_setopt(s->easy, CURLOPT_CURLU, m->base.origin);
  if (s->code == CURLE_OK) {
    s->code = connections_watch(s->easy, &m->connections);
  }
}

/* What this libcurl may refuse without harm. */
static void set_wishes(CURL *easy) {
  (void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* A hung resolver must not hold up the end of a transfer; a libcurl that is
   * older at run time does not know the option and is slower there. */
  (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static const char *set_options(
  setter *s, model *m, const http_settings *given
) {
  set_rules(s);
  set_sessions(s, m->libcurl);
  set_protocols(s, m->base.loopback || given->allow_http);
  set_proxy(s, given, m->base.loopback);
  set_client(s, given);
  set_origin(s, m);
  set_agent(s, m, given);
  set_wishes(s->easy);
  if (s->code == CURLE_OUT_OF_MEMORY || m->agent.state != BUFFER_OK) {
    return "memory is short";
  }
  return s->code == CURLE_OK ? NULL : MODEL_REFUSED;
}

const char *model_open(
  model *m, const http_settings *settings, const char **option
) {
  setter s = {NULL, CURLE_OK};
  const char *problem;
  m->libcurl = curl_version_info(CURLVERSION_NOW)->version_num;
  *option = "base_url";
  problem = base_url_parse(&m->base, settings->base_url, settings->allow_http);
  if (problem != NULL) return problem;
  *option = NULL;
  s.easy = curl_easy_init();
  m->easy = s.easy;
  if (s.easy == NULL) return "memory is short";
  *option = "ca_file";
  problem = trust_set(&s, &m->ca, settings);
  if (problem != NULL) return problem;
  *option = NULL;
  return set_options(&s, m, settings);
}

CURL *model_copy(const model *m) {
  setter s = {curl_easy_duphandle(m->easy), CURLE_OK};
  if (s.easy == NULL) return NULL;
  trust_set_copy(&s, &m->ca);
  if (s.code == CURLE_OK) return s.easy;
  curl_easy_cleanup(s.easy);
  return NULL;
}

void model_close(model *m) {
  curl_easy_cleanup(m->easy);
  m->easy = NULL;
  base_url_free(&m->base);
  buffer_free(&m->agent);
  ca_store_free(&m->ca);
  connections_free(&m->connections);
}
