#include "core/answer.h"

#include <string.h>

#include "bytes/redact.h"
#include "core/json_decode.h"
#include "core/json_encode.h"

#define DESCRIPTION_MAX 2048
#define GRPC_CODE_MAX 16
#define ROUTER_MESSAGE "Not Found"

static const char inexact_key = 'i';

/* --- facts --- */

static void set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, long value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, field);
}

/* Pushes nil and a table with what is known of every exchange. */
static void push_failure(lua_State *L, const exchange *x, const char *reason) {
  lua_pushnil(L);
  lua_newtable(L);
  set_text(L, "reason", reason);
  set_integer(L, "sends", (long)x->sends);
  if (x->status > 0) set_integer(L, "status", x->status);
  if (x->retry_after > 0) set_integer(L, "retry_after", x->retry_after);
}

int answer_invalid(lua_State *L, const char *field, const char *problem) {
  lua_pushnil(L);
  lua_newtable(L);
  set_text(L, "reason", "invalid");
  set_text(L, "field", field);
  set_text(L, "detail", problem);
  set_integer(L, "sends", 0);
  return 2;
}

int answer_no_memory(lua_State *L) {
  lua_pushnil(L);
  lua_newtable(L);
  set_text(L, "reason", "memory");
  set_integer(L, "sends", 0);
  return 2;
}

static int failure(
  lua_State *L, const exchange *x, const char *reason, const char *detail
) {
  push_failure(L, x, reason);
  if (detail != NULL) set_text(L, "detail", detail);
  return 2;
}

/* Overwrites what a text shares with the credentials of its exchange. */
static void hide_credentials(const exchange *x, char *text, size_t length) {
  const secret *line = x->authorization.line;
  size_t at = x->authorization.token_at;
  redact(text, length, x->secret.data, x->secret.length);
  if (line != NULL) redact(text, length, line->bytes + at, line->length - at);
}

/* libcurl's text may quote the server. */
static int broken(lua_State *L, exchange *x) {
  const char *detail = x->detail;
  hide_credentials(x, x->detail, strlen(x->detail));
  if (*detail == '\0') detail = curl_easy_strerror(x->code);
  failure(L, x, "curl", detail);
  set_integer(L, "curl", (long)x->code);
  return 2;
}

static int too_large(lua_State *L, const exchange *x) {
  return failure(L, x, "limit", "the answer is larger than allowed");
}

static int unanswered(lua_State *L, exchange *x) {
  switch (x->end) {
    case EXCHANGE_BROKEN: return broken(L, x);
    case EXCHANGE_INCOMPLETE:
      return failure(L, x, "incomplete", "the headers were cut off");
    case EXCHANGE_TOO_LARGE: return too_large(L, x);
    case EXCHANGE_ENCODED:
      return failure(L, x, "encoded", "the answer is compressed");
    case EXCHANGE_CANCELLED: return failure(L, x, "cancelled", NULL);
    default: return failure(L, x, "memory", NULL);
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
  if (length > DESCRIPTION_MAX) length = DESCRIPTION_MAX;
  buffer_free(&x->answer);
  if (buffer_append(&x->answer, text, length)) {
    hide_credentials(x, x->answer.data, length);
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

static bool is_absent(lua_State *L, int index) {
  return lua_isnil(L, index) || lua_islightuserdata(L, index);
}

static bool is_true(lua_State *L, int index) {
  return lua_isboolean(L, index) && lua_toboolean(L, index);
}

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
    is = is_absent(L, -1)
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
    set_text(L, "words", "envelope");
  } else if (is_grpc_status(L, body)) {
    set_text(L, "words", "grpc");
  }
}

/* A failure by its status: the body may be JSON, or anything else. */
static int failed_status(lua_State *L, exchange *x) {
  json_report report;
  bool object = json_decode(L, &x->answer, &report) == JSON_VALID;
  int body = lua_gettop(L);
  if (object && report.marks > 0) json_restore(L);
  failure(L, x, "status", NULL);
  if (object && lua_istable(L, body)) copy_details(L, x, body);
  return 2;
}

/* --- the form of an answer --- */

/* Pushes a failure and returns 2 unless the body of a 2xx answer is JSON. One
 * whose end only the connection's end shows may have been cut off where the
 * JSON breaks off. */
static int check_json(lua_State *L, exchange *x, json_verdict verdict) {
  if (verdict == JSON_VALID) return 0;
  if (verdict == JSON_INCOMPLETE && !x->framed) {
    return failure(L, x, "incomplete", "the body was cut off");
  }
  if (verdict == JSON_TOO_DEEP) {
    return failure(L, x, "form", "the answer is nested too deeply");
  }
  if (verdict == JSON_TOO_LARGE) return too_large(L, x);
  return failure(L, x, "form", "the answer is not JSON");
}

/* The same for an answer that is read as it stands: for so few members, Lua
 * values of all that it holds would be in vain. */
static int find_members(
  lua_State *L, exchange *x, json_member *members, size_t count
) {
  return check_json(L, x, json_find(
    x->answer.data, x->answer.length, members, count
  ));
}

/* Pushes the object that a 2xx answer consists of and returns 0, or pushes a
 * failure. */
static int decode_object(lua_State *L, exchange *x, json_report *report) {
  json_verdict verdict = json_decode(L, &x->answer, report);
  int pushed;
  if (x->answer.state == BUFFER_MEMORY) return failure(L, x, "memory", NULL);
  pushed = check_json(L, x, verdict);
  if (pushed > 0) return pushed;
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) > 0) {
    return failure(L, x, "form", "the answer is not a JSON object");
  }
  return 0;
}

/* Whether the object on top says of itself that it is no success: by an `ok`
 * that is not true, or, where it has nothing else to say, by an error or the
 * code of a bare gRPC status. */
static bool is_refusal(lua_State *L, bool empty) {
  bool refusal;
  lua_getfield(L, -1, "ok");
  refusal = !is_absent(L, -1) && !is_true(L, -1);
  lua_getfield(L, -2, "error");
  lua_getfield(L, -3, "code");
  if (empty && (!is_absent(L, -2) || lua_isnumber(L, -1))) refusal = true;
  lua_pop(L, 3);
  return refusal;
}

/* Pushes the failure that the object on top tells of. */
static int refused(lua_State *L, exchange *x, bool marked) {
  int body = lua_gettop(L);
  if (marked) json_restore(L);
  failure(L, x, "refused", NULL);
  copy_details(L, x, body);
  return 2;
}

/* Pushes a failure and returns 2 unless the answer is a whole one with a
 * status of success. */
static int check_answer(lua_State *L, exchange *x) {
  if (x->end != EXCHANGE_ANSWERED) return unanswered(L, x);
  if (x->status < 200 || x->status > 299) return failed_status(L, x);
  return 0;
}

/* --- list --- */

static void mark_inexact(lua_State *L) {
  answer_push_inexact(L);
  lua_pushvalue(L, -2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* Takes out of the record on top what does not belong there: fields that are
 * null, and a key that should never have been sent. */
static void tidy_record(lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    bool null = lua_islightuserdata(L, -1);
    lua_pop(L, 1);
    if (null || (lua_type(L, -1) == LUA_TSTRING
        && strcmp(lua_tostring(L, -1), "secretKey") == 0)) {
      lua_pushvalue(L, -1);
      lua_pushnil(L);
      lua_rawset(L, -4);
    }
  }
}

/* The records of the array on top, each restored and tidied; false when one is
 * no object. */
static bool finish_records(lua_State *L, bool marked, bool untidy) {
  int array = lua_gettop(L);
  int count = (int)lua_rawlen(L, array);
  int i;
  for (i = 1; i <= count; i++) {
    bool exact = true;
    lua_rawgeti(L, array, i);
    if (marked) exact = json_restore(L);
    if (!lua_istable(L, -1) || json_is_array(L, -1)) return false;
    if (!exact) mark_inexact(L);
    if (untidy) tidy_record(L);
    lua_pop(L, 1);
  }
  return true;
}

static bool contains(const buffer *text, const char *word) {
  return text->length > 0
    && memmem(text->data, text->length, word, strlen(word)) != NULL;
}

int answer_list(lua_State *L, exchange *x) {
  json_report report;
  bool echoed;
  bool empty;
  bool other;
  int pushed = check_answer(L, x);
  if (pushed > 0) return pushed;
  echoed = contains(&x->answer, "secretKey");
  pushed = decode_object(L, x, &report);
  if (pushed > 0) return pushed;
  lua_getfield(L, -1, "secrets");
  empty = is_absent(L, -1);
  other = lua_isnil(L, -1) && count_members(L, lua_gettop(L) - 1) > 0;
  lua_insert(L, -2);
  if (is_refusal(L, empty)) return refused(L, x, report.marks > 0);
  if (other) return failure(L, x, "form", "the answer has no \"secrets\"");
  lua_pop(L, 1);
  if (lua_type(L, -1) == LUA_TSTRING) json_restore(L);
  if (empty) {
    lua_newtable(L);
    return 1;
  }
  if (!lua_istable(L, -1) || !json_is_array(L, -1)) {
    return failure(L, x, "form", "\"secrets\" is not an array");
  }
  if (!finish_records(L, report.marks > 0,
      echoed || report.has_null || report.has_escape)) {
    return failure(L, x, "form", "\"secrets\" holds what is not an object");
  }
  lua_pushnil(L);
  lua_setmetatable(L, -2);
  return 1;
}

/* --- put and delete --- */

/* The text of a member, without credentials. One that holds escapes is read
 * into the body of the request, which is over; it is wiped before. */
static size_t read_member(exchange *x, const json_member *member, char **text) {
  buffer *copy = &x->body;
  size_t length = member->length - 2;
  *text = x->answer.data + (member->value - x->answer.data) + 1;
  if (memchr(*text, '\\', length) != NULL) {
    buffer_free(copy);
    if (!json_read_string(copy, member->value, member->length)) return 0;
    *text = copy->data;
    length = copy->length;
  }
  if (length > DESCRIPTION_MAX) length = DESCRIPTION_MAX;
  hide_credentials(x, *text, length);
  return length;
}

/* Sets a field of the table on top to the text of a member, if it has any. */
static void set_member(
  lua_State *L, exchange *x, const char *field, const json_member *member
) {
  char *text;
  size_t length;
  if (member->value == NULL || *member->value != '"') return;
  length = read_member(x, member, &text);
  if (length == 0) return;
  lua_pushlstring(L, text, length);
  lua_setfield(L, -2, field);
}

/* One that says that it failed, or is of the wrong form. */
static int refused_receipt(lua_State *L, exchange *x) {
  json_report report;
  int pushed = decode_object(L, x, &report);
  return pushed > 0 ? pushed : refused(L, x, report.marks > 0);
}

int answer_receipt(lua_State *L, exchange *x) {
  json_member members[] = {
    {"ok", NULL, 0}, {"requestId", NULL, 0}, {"message", NULL, 0},
  };
  int pushed = check_answer(L, x);
  if (pushed == 0) pushed = find_members(L, x, members, 3);
  if (pushed > 0) return pushed;
  if (members[0].value == NULL || *members[0].value != 't') {
    return refused_receipt(L, x);
  }
  lua_createtable(L, 0, 3);
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "ok");
  set_member(L, x, "requestId", &members[1]);
  set_member(L, x, "message", &members[2]);
  return 1;
}

/* --- authenticate --- */

/* A 2xx answer without a token: what it says instead. */
static int no_token(lua_State *L, exchange *x) {
  json_report report;
  int pushed = decode_object(L, x, &report);
  if (pushed > 0) return pushed;
  if (is_refusal(L, true)) return refused(L, x, report.marks > 0);
  return failure(L, x, "form", "the answer holds no token");
}

int answer_token(
  lua_State *L, exchange *x, token_answer *token, const char *scheme
) {
  json_member value = {"token", NULL, 0};
  token_verdict read;
  int pushed = check_answer(L, x);
  if (pushed == 0) pushed = find_members(L, x, &value, 1);
  if (pushed > 0) return pushed;
  if (value.value == NULL) return no_token(L, x);
  read = token_answer_read(token, x->answer.data, x->answer.length, scheme);
  if (read == TOKEN_MEMORY) return failure(L, x, "memory", NULL);
  if (read == TOKEN_MALFORMED) {
    return failure(L, x, "form", "the answer holds no usable token");
  }
  return 0;
}

/* --- set-up --- */

void answer_push_inexact(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &inexact_key);
}

void answer_open(lua_State *L) {
  bool is_there;
  answer_push_inexact(L);
  is_there = lua_istable(L, -1);
  lua_pop(L, 1);
  if (is_there) return; /* the module is loaded once more */
  lua_newtable(L);
  lua_newtable(L);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &inexact_key);
}
