/* The module `old_libcurl` of the specs: preloaded (LD_PRELOAD) into a process
 * of its own, it stands between the module under test and libcurl, and makes
 * libcurl look older than it is. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdarg.h>

#include "compat.h"

#undef curl_easy_setopt

#define EXPORT __attribute__((visibility("default")))

/* The libcurl that the module is linked with; it is loaded by then. */
static void *behind(const char *name) {
  void *libcurl = dlopen("libcurl.so.4", RTLD_NOW | RTLD_NOLOAD);
  if (libcurl == NULL) {
    libcurl = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_NOLOAD);
  }
  return libcurl == NULL ? NULL : dlsym(libcurl, name);
}

/* --- its version --- */

static curl_version_info_data old;

EXPORT curl_version_info_data *curl_version_info(CURLversion age) {
  __typeof__(&curl_version_info) next =
    (__typeof__(&curl_version_info))(size_t)behind("curl_version_info");
  return old.version_num == 0 ? next(age) : &old;
}

/* version(text, number): what it calls itself from now on. */
static int old_libcurl_version(lua_State *L) {
  old.version = luaL_checkstring(L, 1);
  old.version_num = (unsigned)luaL_checkinteger(L, 2);
  return 0;
}

/* --- options that it does not know --- */

static long countdown; /* options set until one is refused; 0: none is */
static int refused;

EXPORT CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...) {
  __typeof__(&curl_easy_setopt) next =
    (__typeof__(&curl_easy_setopt))(size_t)behind("curl_easy_setopt");
  CURLcode code;
  va_list value;
  if (countdown > 0 && --countdown == 0) {
    refused = (int)option;
    return CURLE_UNKNOWN_OPTION;
  }
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

/* refuse(n): the n-th option that is set from now on, and no other. */
static int old_libcurl_refuse(lua_State *L) {
  countdown = (long)luaL_checkinteger(L, 1);
  refused = 0;
  return 0;
}

/* refused() -> name of the option that was refused since, or nil */
static int old_libcurl_refused(lua_State *L) {
  const struct curl_easyoption *option;
  countdown = 0;
  if (refused == 0) return 0;
  option = ((__typeof__(&curl_easy_option_by_id))
    (size_t)behind("curl_easy_option_by_id"))((CURLoption)refused);
  lua_pushstring(L, option == NULL ? "?" : option->name);
  return 1;
}

static const luaL_Reg functions[] = {
  {"refuse", old_libcurl_refuse},
  {"refused", old_libcurl_refused},
  {"version", old_libcurl_version},
  {NULL, NULL},
};

COMPAT_EXPORT int luaopen_old_libcurl(lua_State *L);

int luaopen_old_libcurl(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  return 1;
}
