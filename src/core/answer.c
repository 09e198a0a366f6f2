#include "core/answer.h"

#include <string.h>

#include "core/facts.h"
#include "core/failure.h"
#include "core/json_decode.h"
#include "core/json_encode.h"
#include "json/string.h"

static const char inexact_key = 'i';

/* --- the form of an answer --- */

/* Pushes a failure and returns 2 unless the body of a 2xx answer is JSON. One
 * whose end only the connection's end shows may have been cut off where the
 * JSON breaks off. */
static int check_json(lua_State *L, exchange *x, json_verdict verdict) {
  if (verdict == JSON_VALID) return 0;
  if (verdict == JSON_INCOMPLETE && !x->framed) {
    return facts_push(L, x, "incomplete", "the body was cut off");
  }
  if (verdict == JSON_TOO_DEEP) {
    return facts_push(L, x, "form", "the answer is nested too deeply");
  }
  if (verdict == JSON_TOO_LARGE) return failure_too_large(L, x);
  return facts_push(L, x, "form", "the answer is not JSON");
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
  if (x->answer.state == BUFFER_MEMORY) return facts_push(L, x, "memory", NULL);
  pushed = check_json(L, x, verdict);
  if (pushed > 0) return pushed;
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) > 0) {
    return facts_push(L, x, "form", "the answer is not a JSON object");
  }
  return 0;
}

/* Pushes a failure and returns 2 unless the answer is a whole one with a
 * status of success. */
static int check_answer(lua_State *L, exchange *x) {
  if (x->end != EXCHANGE_ANSWERED) return failure_unanswered(L, x);
  if (x->status < 200 || x->status > 299) return failure_status(L, x);
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

static bool has_members(lua_State *L, int table) {
  lua_pushnil(L);
  if (!lua_next(L, table)) return false;
  lua_pop(L, 2);
  return true;
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
  empty = json_is_absent(L, -1);
  other = lua_isnil(L, -1) && has_members(L, lua_gettop(L) - 1);
  lua_insert(L, -2);
  if (failure_is_refusal(L, empty)) {
    return failure_refused(L, x, report.marks > 0);
  }
  if (other) return facts_push(L, x, "form", "the answer has no \"secrets\"");
  lua_pop(L, 1);
  if (lua_type(L, -1) == LUA_TSTRING) json_restore(L);
  if (empty) {
    lua_newtable(L);
    return 1;
  }
  if (!lua_istable(L, -1) || !json_is_array(L, -1)) {
    return facts_push(L, x, "form", "\"secrets\" is not an array");
  }
  if (!finish_records(L, report.marks > 0,
      echoed || report.has_null || report.has_escape)) {
    return facts_push(L, x, "form", "\"secrets\" holds what is not an object");
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
  if (length > SERVER_TEXT_MAX) length = SERVER_TEXT_MAX;
  facts_hide_credentials(x, *text, length);
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
  return pushed > 0 ? pushed : failure_refused(L, x, report.marks > 0);
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
  if (failure_is_refusal(L, true)) {
    return failure_refused(L, x, report.marks > 0);
  }
  return facts_push(L, x, "form", "the answer holds no token");
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
  if (read == TOKEN_MEMORY) return facts_push(L, x, "memory", NULL);
  if (read == TOKEN_MALFORMED) {
    return facts_push(L, x, "form", "the answer holds no usable token");
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
