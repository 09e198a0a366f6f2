#include "http/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "bytes/utf8.h"

#define URL_MAX 2048
#define NOT_A_URL "is not a URL such as https://api.bytenite.com"
#define NO_MEMORY "cannot be checked: memory is short"

/* Characters that a URL cannot hold, or that libcurl and others read in
 * different ways. */
static const char *text_problem(const char *url) {
  const char *c;
  for (c = url; *c != '\0'; c++) {
    if (*c <= ' ' || *c >= 0x7F || *c == '\\') {
      return "holds a space, a control character, a backslash or a letter "
             "beyond ASCII";
    }
  }
  if (c - url > URL_MAX) return "is longer than 2,048 bytes";
  if (strchr(url, '?') != NULL) return "has a query, which a base cannot have";
  if (strchr(url, '#') != NULL) {
    return "has a fragment, which a base cannot have";
  }
  return NULL;
}

/* Credentials in the URL would become a Basic Authorization header. */
static bool has_userinfo(const char *url) {
  const char *authority = strstr(url, "://");
  size_t length;
  if (authority == NULL) return false;
  authority += 3;
  length = strcspn(authority, "/");
  return memchr(authority, '@', length) != NULL;
}

static bool is_loopback(const char *host) {
  struct in_addr address;
  if (strcasecmp(host, "localhost") == 0) return true;
  if (strcmp(host, "[::1]") == 0) return true;
  if (inet_pton(AF_INET, host, &address) != 1) return false;
  return (ntohl(address.s_addr) >> 24) == 127;
}

/* The length of a dot at `text`, which may be percent-encoded; else 0. */
static size_t dot_length(const char *text) {
  if (*text == '.') return 1;
  return strncasecmp(text, "%2e", 3) == 0 ? 3 : 0;
}

/* A server or libcurl would fold "." and ".." away. */
static bool has_dot_segment(const char *path) {
  while (*path != '\0') {
    const char *end;
    size_t first;
    path += strspn(path, "/");
    end = path + strcspn(path, "/");
    first = dot_length(path);
    if (first > 0) {
      path += first;
      if (path == end || path + dot_length(path) == end) return true;
    }
    path = end;
  }
  return false;
}

static const char *problem_of(CURLUcode code) {
  if (code == CURLUE_OUT_OF_MEMORY) return NO_MEMORY;
  return code == CURLUE_OK ? NULL : NOT_A_URL;
}

static const char *check_origin(base_url *base, bool allow_http) {
  char *scheme = NULL;
  char *host = NULL;
  CURLUcode code = curl_url_get(base->origin, CURLUPART_SCHEME, &scheme, 0);
  const char *problem;
  if (code == CURLUE_OK) {
    code = curl_url_get(base->origin, CURLUPART_HOST, &host, 0);
  }
  problem = problem_of(code);
  if (problem == NULL) {
    base->loopback = is_loopback(host);
    if (strcmp(scheme, "http") == 0 && !base->loopback && !allow_http) {
      problem = "is plain http to another machine: use https, or allow_http";
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
      problem = "has a scheme other than https";
    }
  }
  curl_free(scheme);
  curl_free(host);
  return problem;
}

/* Moves the path out of the URL, where each request puts its own. */
static const char *take_prefix(base_url *base) {
  size_t length;
  CURLUcode code =
    curl_url_get(base->origin, CURLUPART_PATH, &base->prefix, 0);
  if (code == CURLUE_OK) {
    code = curl_url_set(base->origin, CURLUPART_PATH, "/", 0);
  }
  if (code != CURLUE_OK) return problem_of(code);
  length = strlen(base->prefix);
  while (length > 0 && base->prefix[length - 1] == '/') length--;
  base->prefix[length] = '\0';
  if (has_dot_segment(base->prefix)) return "has . or .. in its path";
  return NULL;
}

const char *base_url_parse(base_url *base, const char *url, bool allow_http) {
  const char *problem = text_problem(url);
  const char *authority = strstr(url, "://");
  if (problem != NULL) return problem;
  if (has_userinfo(url)) return "holds credentials, which belong elsewhere";
  /* Without a host, libcurl would take the path's beginning for one. */
  if (authority == NULL || authority[3] == '/') return NOT_A_URL;
  base->origin = curl_url();
  if (base->origin == NULL) return NO_MEMORY;
  problem = problem_of(curl_url_set(base->origin, CURLUPART_URL, url,
    CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER));
  if (problem == NULL) problem = check_origin(base, allow_http);
  return problem != NULL ? problem : take_prefix(base);
}

void base_url_free(base_url *base) {
  curl_url_cleanup(base->origin);
  curl_free(base->prefix);
  memset(base, 0, sizeof *base);
}

const char *segment_problem(const char *text, size_t length) {
  size_t i;
  if (length == 0) return "is empty";
  if (length > SEGMENT_MAX) return "is longer than 1,024 bytes";
  if (length <= 2 && memcmp(text, "..", length) == 0) return "is . or ..";
  for (i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    unsigned char next = i + 1 < length ? (unsigned char)text[i + 1] : 0;
    bool c1 = c == 0xC2 && next >= 0x80 && next < 0xA0; /* U+0080 to U+009F */
    if (c < 0x20 || c == 0x7F || c1) return "holds a control character";
  }
  if (utf8_prefix(text, length) < length) return "is not UTF-8";
  return NULL;
}

/* RFC 3986, section 2.3. */
static bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
    || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

bool url_append_encoded(buffer *out, const char *text, size_t length) {
  static const char hex[] = "0123456789ABCDEF";
  size_t i = 0;
  while (i < length) {
    size_t plain = i;
    unsigned char c;
    char escape[3] = {'%'};
    while (i < length && is_unreserved(text[i])) i++;
    buffer_append(out, text + plain, i - plain);
    if (i == length) break;
    c = (unsigned char)text[i++];
    escape[1] = hex[c >> 4];
    escape[2] = hex[c & 15];
    buffer_append(out, escape, sizeof escape);
  }
  return out->state == BUFFER_OK;
}
