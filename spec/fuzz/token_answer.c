/* Any bytes as the body of a token exchange: a token can stand in a header,
 * its lifetime is one, and all is as lua-cjson reads the same text. */
#include "fuzz.h"

#include "core/token_answer.h"
#include "json/scan.h"

#define LIFETIME_DEFAULT 3600
#define LIFETIME_MAX 1000000000LL

static void check_header(const token_answer *answer, const char *scheme) {
  const secret *line = answer->authorization.line;
  size_t i;
  char before[64];
  int length = snprintf(before, sizeof before, "Authorization: %s%s",
    scheme == NULL ? "" : scheme, scheme == NULL ? "" : " ");
  check(answer->authorization.token_at == (size_t)length);
  check(memcmp(line->bytes, before, (size_t)length) == 0);
  check(line->length > (size_t)length);
  check(line->length - (size_t)length <= TOKEN_MAX);
  for (i = 0; i < line->length; i++) {
    check(line->bytes[i] >= 0x20 && line->bytes[i] <= 0x7E);
  }
  check(line->bytes[line->length] == '\0');
}

/* The member of the object on top must be a string of these bytes. */
static void check_text(
  lua_State *L, const char *name, const char *bytes, size_t length
) {
  size_t other_length;
  const char *other;
  lua_getfield(L, -1, name);
  check(lua_type(L, -1) == LUA_TSTRING);
  other = lua_tolstring(L, -1, &other_length);
  check(other_length == length && memcmp(other, bytes, length) == 0);
  lua_pop(L, 1);
}

static void check_lifetime(lua_State *L, long long seconds) {
  lua_Number number;
  check(seconds >= 0 && seconds <= LIFETIME_MAX);
  lua_getfield(L, -1, "expiresIn");
  if (lua_isnil(L, -1) || lua_islightuserdata(L, -1)) {
    check(seconds == LIFETIME_DEFAULT);
  } else {
    check(lua_isnumber(L, -1));
    number = lua_tonumber(L, -1);
    check(number == (lua_Number)seconds
      || (seconds == LIFETIME_MAX && number > (lua_Number)LIFETIME_MAX));
  }
  lua_pop(L, 1);
}

static void check_answer(
  lua_State *L, const token_answer *answer, const char *text, size_t length
) {
  const secret *line = answer->authorization.line;
  size_t at = answer->authorization.token_at;
  check(fuzz_cjson(L, text, length));
  check(lua_istable(L, -1));
  check_text(L, "token", line->bytes + at, line->length - at);
  check_lifetime(L, answer->expires_in);
  if (answer->scope.length > 0) {
    check_text(L, "scope", answer->scope.data, answer->scope.length);
  }
}

static void read_token(const char *text, size_t length, const char *scheme) {
  lua_State *L = fuzz_lua();
  token_answer answer;
  token_verdict verdict = token_answer_read(&answer, text, length, scheme);
  check(verdict != TOKEN_MEMORY);
  if (verdict == TOKEN_OK) {
    check_header(&answer, scheme);
    check_answer(L, &answer, text, length);
    authorization_free(&answer.authorization);
    buffer_free(&answer.scope);
  } else {
    check(answer.authorization.line == NULL && answer.scope.data == NULL);
  }
  fuzz_lua_end(L);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_copy(data, size);
  json_report report;
  if (json_scan(text, size, &report, NULL, NULL) == JSON_VALID) {
    read_token(text, size, NULL);
    read_token(text, size, "Bearer");
  }
  free(text);
  return 0;
}
