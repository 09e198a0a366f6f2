#include "core/failure.h"

#include <string.h>

#include "core/facts.h"
#include "core/json_decode.h"

#define GRPC_CODE_MAX 16
#define ROUTER_MESSAGE "Not Found"

/* --- no whole answer --- */

/* libcurl's text may quote the server. */
static int broken(lua_State *L, exchange *x) {
  facts_hide_credentials(x, x->detail, strlen(x->detail));
  facts_push(L, x, "curl", x->detail);
  facts_set_integer(L, "curl", (long)x->code);
  return 2;
}

int failure_too_large(lua_State *L, const exchange *x) {
  return facts_push(L, x, "limit", "the answer is larger than allowed");
}

int failure_unanswered(lua_State *L, exchange *x) {
  switch (x->end) {
    case EXCHANGE_BROKEN: return broken(L, x);
    case EXCHANGE_INCOMPLETE:
      return facts_push(L, x, "incomplete", "the headers were cut off");
    case EXCHANGE_TOO_LARGE: return failure_too_large(L, x);
    case EXCHANGE_ENCODED:
      return facts_push(L, x, "encoded", "the answer is compressed");
    case EXCHANGE_CANCELLED: return facts_push(L, x, "cancelled", NULL);
    default: return facts_push(L, x, "memory", NULL);
  }
}

/* --- texts that the server wrote --- */

/* Replaces the string on top by one without credentials, or by nil when it is
 * no string or memory is short. */
static void clean_text(lua_State *L, exchange *x) {
  size_t length;
  const char *text;
  if (lua_type(L, -1) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return;
  }
  text = lua_tolstring(L, -1, &length);
  if (length > SERVER_TEXT_MAX) length = SERVER_TEXT_MAX;
  buffer_free(&x->answer);
  if (buffer_append(&x->answer, text, length)) {
    facts_hide_credentials(x, x->answer.data, length);
    lua_pushlstring(L, x->answer.data, length);
  } else {
    lua_pushnil(L);
  }
  buffer_free(&x->answer);
  lua_remove(L, -2);
}

/* Copies a text field of the table at `from` to field `to` of the table at
 * `target`; false when there is none. */
static bool copy_text(
  lua_State *L, exchange *x, int from, const char *name, int target,
  const char *to
) {
  lua_getfield(L, from, name);
  clean_text(L, x);
  if (lua_isnil(L, -1) || lua_rawlen(L, -1) == 0) {
    lua_pop(L, 1);
    return false;
  }
  lua_setfield(L, target, to);
  return true;
}

/* Reads the code of the table at `from`; false when it has none. Codes come as
 * numbers, or as strings as protojson writes an int64. */
static bool read_code(lua_State *L, int from, long *code) {
  lua_Number value;
  lua_getfield(L, from, "code");
  value = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : 0.5;
  lua_pop(L, 1);
  if (!(value > -1e9 && value < 1e9)) return false;
  *code = (long)value;
  return value == (lua_Number)*code;
}

static void copy_code(lua_State *L, int from, int target) {
  long code;
  if (!read_code(L, from, &code)) return;
  lua_pushinteger(L, (lua_Integer)code);
  lua_setfield(L, target, "code");
}

/* --- who wrote the body of a failure --- */

static bool has_member(lua_State *L, int table, const char *name, int type) {
  bool has;
  lua_getfield(L, table, name);
  has = lua_type(L, -1) == type;
  lua_pop(L, 1);
  return has;
}

static int count_members(lua_State *L, int table) {
  int count = 0;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    count++;
    lua_pop(L, 1);
  }
  return count;
}

/* True if the table at `body` is the service's envelope of a failure. Other
 * gateways also send an `error` with a code and a message. So `ok` must be
 * false or, where protojson leaves it out, the body must have a member that is
 * the envelope's alone. */
static bool is_envelope(lua_State *L, int body) {
  int error = lua_gettop(L) + 1;
  bool is = false;
  long code;
  lua_getfield(L, body, "error");
  lua_getfield(L, body, "ok");
  if (lua_istable(L, error) && read_code(L, error, &code)) {
    is = json_is_absent(L, -1)
      ? has_member(L, body, "requestId", LUA_TSTRING)
        || has_member(L, error, "description", LUA_TSTRING)
      : lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  }
  lua_pop(L, 2);
  return is;
}

/* True if the table at `body` is a gRPC status of the service. A status has a
 * code, a message, maybe details, and nothing else. The gateway's router sends
 * one too, for a path that the service does not have. */
static bool is_grpc_status(lua_State *L, int body) {
  int optional = has_member(L, body, "details", LUA_TTABLE) ? 1 : 0;
  const char *message;
  bool is;
  long code;
  if (!read_code(L, body, &code) || code < 1 || code > GRPC_CODE_MAX) {
    return false;
  }
  if (count_members(L, body) != 2 + optional) return false;
  lua_getfield(L, body, "message");
  message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  is = *message != '\0' && strcmp(message, ROUTER_MESSAGE) != 0;
  lua_pop(L, 1);
  return is;
}

/* --- the body of a failure --- */

/* Adds to the facts on top what the failure's body, a table at `body`, says:
 * the envelope, or a bare gRPC status. */
static void copy_details(lua_State *L, exchange *x, int body) {
  int facts = lua_gettop(L);
  int error = facts + 1;
  bool described = false;
  lua_getfield(L, body, "error");
  if (lua_istable(L, error)) {
    copy_code(L, error, facts);
    described = copy_text(L, x, error, "description", facts, "description")
      || copy_text(L, x, error, "message", facts, "description");
  } else {
    copy_code(L, body, facts);
  }
  lua_pop(L, 1);
  if (!described) copy_text(L, x, body, "message", facts, "description");
  copy_text(L, x, body, "requestId", facts, "requestId");
  if (is_envelope(L, body)) {
    facts_set_text(L, "words", "envelope");
  } else if (is_grpc_status(L, body)) {
    facts_set_text(L, "words", "grpc");
  }
}

int failure_status(lua_State *L, exchange *x) {
  json_report report;
  bool object = json_decode(L, &x->answer, &report) == JSON_VALID;
  int body = lua_gettop(L);
  if (object && report.marks > 0) json_restore(L);
  facts_push(L, x, "status", NULL);
  if (object && lua_istable(L, body)) copy_details(L, x, body);
  return 2;
}

/* --- an answer that says it is no success --- */

static bool is_true(lua_State *L, int index) {
  return lua_isboolean(L, index) && lua_toboolean(L, index);
}

bool failure_is_refusal(lua_State *L, bool empty) {
  bool refusal;
  lua_getfield(L, -1, "ok");
  refusal = !json_is_absent(L, -1) && !is_true(L, -1);
  lua_getfield(L, -2, "error");
  lua_getfield(L, -3, "code");
  if (empty && (!json_is_absent(L, -2) || lua_isnumber(L, -1))) refusal = true;
  lua_pop(L, 3);
  return refusal;
}

int failure_refused(lua_State *L, exchange *x, bool marked) {
  int body = lua_gettop(L);
  if (marked) json_restore(L);
  facts_push(L, x, "refused", NULL);
  copy_details(L, x, body);
  return 2;
}
