#include "core/facts.h"

#include "bytes/redact.h"

void facts_set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

void facts_set_integer(lua_State *L, const char *field, long value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, field);
}

int facts_push(
  lua_State *L, const exchange *x, const char *reason, const char *detail
) {
  lua_pushnil(L);
  lua_newtable(L);
  facts_set_text(L, "reason", reason);
  facts_set_integer(L, "sends", (long)x->sends);
  if (x->status > 0) facts_set_integer(L, "status", x->status);
  if (x->retry_after > 0) facts_set_integer(L, "retry_after", x->retry_after);
  if (detail != NULL) facts_set_text(L, "detail", detail);
  return 2;
}

int facts_push_invalid(lua_State *L, const char *field, const char *problem) {
  lua_pushnil(L);
  lua_newtable(L);
  facts_set_text(L, "reason", "invalid");
  facts_set_text(L, "field", field);
  facts_set_text(L, "detail", problem);
  facts_set_integer(L, "sends", 0);
  return 2;
}

int facts_push_no_memory(lua_State *L) {
  lua_pushnil(L);
  lua_newtable(L);
  facts_set_text(L, "reason", "memory");
  facts_set_integer(L, "sends", 0);
  return 2;
}

void facts_hide_credentials(const exchange *x, char *text, size_t length) {
  const secret *line = x->authorization.line;
  size_t at = x->authorization.token_at;
  redact(text, length, x->secret.data, x->secret.length);
  if (line != NULL) redact(text, length, line->bytes + at, line->length - at);
}
