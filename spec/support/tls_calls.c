/* The module `tls_calls` of the specs: preloaded (LD_PRELOAD) into a process of
 * its own, it stands between the module under test, libcurl and OpenSSL. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "compat.h"

#undef curl_easy_setopt

#define EXPORT __attribute__((visibility("default")))

/* A function of a library that is loaded by then. */
static void *behind(const char *library, const char *name) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  return handle == NULL ? NULL : dlsym(handle, name);
}

/* --- certificates that libcurl parses --- */

static long parses;

/* What the module under test looks up itself does not come by here. */
EXPORT void *PEM_X509_INFO_read_bio(
  void *bio, void *stack, void *ask, void *context
);

void *PEM_X509_INFO_read_bio(
  void *bio, void *stack, void *ask, void *context
) {
  void *(*next)(void *, void *, void *, void *) =
    (void *(*)(void *, void *, void *, void *))(size_t)
      behind("libcrypto.so.3", "PEM_X509_INFO_read_bio");
  parses++;
  return next(bio, stack, ask, context);
}

/* parses() -> how often libcurl has parsed certificates in PEM */
static int tls_calls_parses(lua_State *L) {
  lua_pushinteger(L, parses);
  return 1;
}

/* --- a callback that is never called --- */

static bool left_out;

EXPORT CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...) {
  __typeof__(&curl_easy_setopt) next = (__typeof__(&curl_easy_setopt))(size_t)
    behind("libcurl.so.4", "curl_easy_setopt");
  CURLcode code;
  va_list value;
  if (left_out && option == CURLOPT_SSL_CTX_FUNCTION) return CURLE_OK;
  va_start(value, option);
  if (option < CURLOPTTYPE_OBJECTPOINT) {
    code = next(easy, option, va_arg(value, long));
  } else if (option < CURLOPTTYPE_OFF_T || option >= CURLOPTTYPE_BLOB) {
    code = next(easy, option, va_arg(value, void *));
  } else {
    code = next(easy, option, va_arg(value, curl_off_t));
  }
  va_end(value);
  return code;
}

/* leave_out_callback(): from now on libcurl takes CURLOPT_SSL_CTX_FUNCTION,
 * and forgets it. */
static int tls_calls_leave_out_callback(lua_State *L) {
  (void)L;
  left_out = true;
  return 0;
}

static const luaL_Reg functions[] = {
  {"leave_out_callback", tls_calls_leave_out_callback},
  {"parses", tls_calls_parses},
  {NULL, NULL},
};

COMPAT_EXPORT int luaopen_tls_calls(lua_State *L);

int luaopen_tls_calls(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
