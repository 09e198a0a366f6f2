#include "core/options.h"

#include <string.h>

#include "http/authorization.h"

#define LIST_MAX 1073741824.0
#define CONNECTIONS 16
#define CONNECTIONS_MAX 1024

/* Rounded up, so that nothing ends before its time: at least 1 for what is over
 * 0, which to libcurl would mean its own default. */
static long milliseconds(lua_Number seconds) {
  lua_Number exact = seconds * 1000;
  long whole = (long)exact;
  return (lua_Number)whole < exact ? whole + 1 : whole;
}

long check_ms(lua_State *L, int arg) {
  lua_Number seconds = luaL_checknumber(L, arg);
  luaL_argcheck(
    L, seconds > 0 && seconds <= SECONDS_MAX, arg, "seconds over 0 expected"
  );
  return milliseconds(seconds);
}

/* Pushes an option and returns its type. */
static int push_option(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, 1);
  return lua_type(L, -1);
}

/* A text, or NULL, which stays on the stack. `*cut` is set to the name when C
 * would see only a part of it. */
static const char *read_text(
  lua_State *L, const char *name, const char **cut
) {
  int type = push_option(L, name);
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TSTRING) luaL_error(L, "option %s: string expected", name);
  if (strlen(lua_tostring(L, -1)) < lua_rawlen(L, -1)) *cut = name;
  return lua_tostring(L, -1);
}

static bool read_flag(lua_State *L, const char *name) {
  bool flag;
  (void)push_option(L, name);
  flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

static lua_Number read_number(
  lua_State *L, const char *name, lua_Number most
) {
  lua_Number number;
  if (push_option(L, name) != LUA_TNUMBER) {
    luaL_error(L, "option %s: number expected", name);
  }
  number = lua_tonumber(L, -1);
  if (!(number > 0 && number <= most)) {
    luaL_error(L, "option %s: out of range", name);
  }
  lua_pop(L, 1);
  return number;
}

static void read_http(
  lua_State *L, http_settings *t, const char **cut
) {
  t->base_url = read_text(L, "base_url", cut);
  if (t->base_url == NULL) luaL_error(L, "option base_url is missing");
  t->allow_http = read_flag(L, "allow_http");
  t->connect_timeout_ms =
    milliseconds(read_number(L, "connect_timeout", SECONDS_MAX));
  t->user_agent = read_text(L, "user_agent", cut);
  t->ca_file = read_text(L, "ca_file", cut);
  t->ca_path = read_text(L, "ca_path", cut);
  t->client_cert = read_text(L, "client_cert", cut);
  t->client_key = read_text(L, "client_key", cut);
  t->proxy = read_text(L, "proxy", cut);
  t->no_proxy = read_text(L, "no_proxy", cut);
  t->remote_proxy = read_flag(L, "remote_proxy");
  t->pollable = read_flag(L, "pollable");
  t->max_connections = CONNECTIONS;
  if (push_option(L, "max_connections") != LUA_TNIL) {
    t->max_connections =
      (long)read_number(L, "max_connections", CONNECTIONS_MAX);
  }
  lua_pop(L, 1);
}

/* Both stand in headers, where libcurl would send a newline as it is. */
static const char *check_headers(
  const options *o, const char *scheme, const char **option
) {
  const char *agent = o->http.user_agent;
  *option = "auth_scheme";
  if (scheme != NULL && (strlen(scheme) > SCHEME_MAX
      || token_problem(scheme, strlen(scheme)) != NULL)) {
    return "is no word such as Bearer";
  }
  *option = "user_agent";
  return agent == NULL ? NULL : token_problem(agent, strlen(agent));
}

const char *options_read(lua_State *L, options *o, const char **option) {
  const char *cut = NULL;
  const char *scheme;
  const char *problem;
  memset(o, 0, sizeof *o);
  read_http(L, &o->http, &cut);
  o->list_max = (size_t)read_number(L, "max_response_bytes", LIST_MAX);
  scheme = read_text(L, "auth_scheme", &cut);
  *option = cut;
  if (cut != NULL) return "holds a NUL";
  problem = check_headers(o, scheme, option);
  if (problem == NULL && scheme != NULL) strcpy(o->scheme, scheme);
  return problem;
}
