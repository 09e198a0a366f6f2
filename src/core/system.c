#include "core/system.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes/clock.h"
#include "bytes/secret.h"
#include "core/call.h"
#include "core/json_decode.h"
#include "http/curl_memory.h"
#include "http/libcurl.h"
#include "http/trust.h"

/* Without making a Lua string of what may be a credential. */
static int core_is_set(lua_State *L) {
  const char *value = getenv(luaL_checkstring(L, 1));
  lua_pushboolean(L, value != NULL && *value != '\0');
  return 1;
}

static int core_monotonic(lua_State *L) {
  lua_pushnumber(L, (lua_Number)clock_now() / 1000);
  return 1;
}

static int core_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e6, 1, "seconds expected");
  lua_pushboolean(L, call_sleep(L, (long)(seconds * 1000)));
  return 1;
}

static int core_random(lua_State *L) {
  uint32_t bits = 0;
  if (getentropy(&bits, sizeof bits) != 0) {
    return luaL_error(L, "the system gives no random bytes");
  }
  lua_pushnumber(L, (lua_Number)bits / 4294967296.0);
  return 1;
}

static void set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

static void set_boolean(lua_State *L, const char *field, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, field);
}

/* `scrubbing` is "in force", or why it is not. */
static int core_info(lua_State *L) {
  static const char *const scrubbing[] = {
    "in force", "switched off", "unsupported", "too late"
  };
  libcurl_facts libcurl = libcurl_loaded();
  secret_protection pages = secret_try();
  lua_newtable(L);
  set_text(L, "libcurl", libcurl.version);
  set_text(L, "tls", libcurl.tls);
  json_push_version(L);
  lua_setfield(L, -2, "cjson");
  set_text(L, "scrubbing", scrubbing[curl_memory_scrubbing()]);
  set_boolean(L, "memory_lock", pages.locked);
  set_boolean(L, "undumped", pages.undumped);
  set_boolean(L, "async_dns", libcurl.async_dns);
  return 1;
}

/* Whether a coroutine has yielded. nginx's coroutine.status knows those of the
 * same request alone, and calls others dead. */
static int core_has_yielded(lua_State *L) {
  lua_State *thread = lua_tothread(L, 1);
  lua_pushboolean(L, thread != NULL && lua_status(thread) == LUA_YIELD);
  return 1;
}

static int core_ca_store(lua_State *L) {
  lua_pushstring(L, trust_default());
  return 1;
}

static const luaL_Reg functions[] = {
  {"ca_store", core_ca_store},
  {"has_yielded", core_has_yielded},
  {"info", core_info},
  {"is_set", core_is_set},
  {"monotonic", core_monotonic},
  {"random", core_random},
  {"sleep", core_sleep},
  {NULL, NULL},
};

void system_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
