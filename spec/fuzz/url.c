/* Any bytes as a base URL, and as a part of a request's path. */
#include "fuzz.h"

#include <arpa/inet.h>
#include <strings.h>

#include "http/url.h"

/* --- the base URL --- */

/* A part of the URL as libcurl reads it, or NULL. */
static char *part_of(const base_url *base, CURLUPart part) {
  char *text = NULL;
  return curl_url_get(base->origin, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static void check_absent(const base_url *base, CURLUPart part) {
  char *text = part_of(base, part);
  check(text == NULL);
}

/* Read as numbers, whatever the spelling. */
static bool is_this_machine(const char *host) {
  struct in_addr address;
  struct in6_addr long_address;
  char bare[64] = "";
  size_t length = strlen(host);
  if (strcasecmp(host, "localhost") == 0) return true;
  if (inet_aton(host, &address)) return address.s_addr << 24 >> 24 == 127;
  if (host[0] != '[' || length >= sizeof bare) return false;
  memcpy(bare, host + 1, length - 2);
  return inet_pton(AF_INET6, bare, &long_address) == 1
    && IN6_IS_ADDR_LOOPBACK(&long_address);
}

static void check_scheme(const base_url *base, bool allow_http) {
  char *scheme = part_of(base, CURLUPART_SCHEME);
  char *host = part_of(base, CURLUPART_HOST);
  check(scheme != NULL && host != NULL && *host != '\0');
  check(strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);
  check(!base->loopback || is_this_machine(host));
  check(allow_http || base->loopback || strcmp(scheme, "https") == 0);
  curl_free(scheme);
  curl_free(host);
}

/* Percent-encoded or not. */
static size_t dots(const char *segment, size_t size) {
  size_t count = 0;
  size_t at = 0;
  while (at < size) {
    bool plain = segment[at] == '.';
    if (!plain && strncasecmp(segment + at, "%2e", 3) != 0) return 0;
    at += plain ? 1 : 3;
    count++;
  }
  return count;
}

/* What goes in front of every request's path. */
static void check_prefix(const char *prefix) {
  size_t length = strlen(prefix);
  const char *segment = prefix;
  check(length == 0 || (prefix[0] == '/' && prefix[length - 1] != '/'));
  check(strpbrk(prefix, "?# \r\n") == NULL);
  while (*segment != '\0') {
    size_t size;
    segment++;
    size = strcspn(segment, "/");
    check(dots(segment, size) == 0 || dots(segment, size) > 2);
    segment += size;
  }
}

static void check_base(const char *url, bool allow_http) {
  base_url base = {NULL, NULL, false};
  if (base_url_parse(&base, url, allow_http) == NULL) {
    char *path = part_of(&base, CURLUPART_PATH);
    check(path == NULL || strcmp(path, "/") == 0);
    curl_free(path);
    check_scheme(&base, allow_http);
    check_absent(&base, CURLUPART_USER);
    check_absent(&base, CURLUPART_PASSWORD);
    check_absent(&base, CURLUPART_OPTIONS);
    check_absent(&base, CURLUPART_QUERY);
    check_absent(&base, CURLUPART_FRAGMENT);
    check_prefix(base.prefix);
  }
  base_url_free(&base);
  base_url_free(&base);
}

/* --- what stands between two slashes --- */

static char unescaped(const char *from) {
  char digits[3] = {from[1], from[2], '\0'};
  char *end;
  long value = strtol(digits, &end, 16);
  check(end == digits + 2);
  return (char)value;
}

static void check_encoded(
  const buffer *encoded, const char *text, size_t length
) {
  size_t at = 0;
  size_t i;
  for (i = 0; i < length; i++) {
    check(at < encoded->length);
    if (encoded->data[at] == '%') {
      check(at + 3 <= encoded->length);
      check(unescaped(encoded->data + at) == text[i]);
      at += 3;
    } else {
      char c = encoded->data[at++];
      check(c == text[i]);
      check((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL));
    }
  }
  check(at == encoded->length);
}

static void check_segment(const char *text, size_t length) {
  buffer encoded;
  buffer_init(&encoded, 3 * length + 1);
  check(url_append_encoded(&encoded, text, length));
  check_encoded(&encoded, text, length);
  buffer_append(&encoded, "", 1);
  if (segment_problem(text, length) == NULL) {
    check(*encoded.data != '\0' && strchr(encoded.data, '/') == NULL);
    check(strcmp(encoded.data, ".") != 0 && strcmp(encoded.data, "..") != 0);
    check(length <= SEGMENT_MAX);
  }
  buffer_free(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_copy(data, size);
  char *url = malloc(size + 1);
  check(url != NULL);
  if (size > 0) memcpy(url, data, size);
  url[size] = '\0';
  check_base(url, false);
  check_base(url, true);
  check_segment(text, size);
  free(url);
  free(text);
  return 0;
}
