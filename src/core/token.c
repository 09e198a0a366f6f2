#include "core/token.h"

#include "bytes/memory.h"
#include "core/answer.h"
#include "core/call.h"
#include "core/client.h"
#include "core/facts.h"
#include "core/options.h"
#include "core/perform.h"
#include "core/secret_string.h"
#include "core/token_answer.h"
#include "core/userdata.h"
#include "http/authorization.h"
#include "json/write.h"

#define PATH_TOKEN "/v1/auth/access_token"

const char *check_token(
  lua_State *L, int arg, int trim, size_t *length
) {
  const char *token = check_credential(L, arg, length);
  if (lua_toboolean(L, trim) && *length > 0 && token[*length - 1] == '\n') {
    (*length)--;
    if (*length > 0 && token[*length - 1] == '\r') (*length)--;
  }
  return token;
}

static const char *scheme_of(const client *c) {
  return *c->scheme == '\0' ? NULL : c->scheme;
}

static int client_authorize(lua_State *L) {
  client *c = client_check(L);
  size_t length;
  const char *token = check_token(L, 2, 3, &length);
  const char *problem = token_problem(token, length);
  const authorization *now = &c->authorization;
  authorization next = {NULL, 0};
  if (problem != NULL) return facts_push_invalid(L, "access_token", problem);
  lua_pushboolean(L, 1);
  if (now->line != NULL && memory_equal(
      now->line->bytes + now->token_at, now->line->length - now->token_at,
      token, length)) {
    return 1;
  }
  if (!authorization_make(&next, scheme_of(c), token, length)) {
    return facts_push_no_memory(L);
  }
  authorization_free(&c->authorization);
  c->authorization = next;
  return 1;
}

/* --- authenticate --- */

/* Leaves the token with the client, and the rest of the answer on the stack.
 * The call owns the scope while Lua copies it. */
static int keep_token(
  lua_State *L, client *c, exchange *x, token_answer *token
) {
  authorization_free(&c->authorization);
  c->authorization = token->authorization;
  buffer_free(&x->answer);
  x->answer = token->scope;
  lua_newtable(L);
  lua_pushinteger(L, (lua_Integer)token->expires_in);
  lua_setfield(L, -2, "expiresIn");
  if (x->answer.length > 0) {
    lua_pushlstring(L, x->answer.data, x->answer.length);
    lua_setfield(L, -2, "scope");
  }
  return 1;
}

/* The client may have been closed since its request was sent. */
static int take_token(lua_State *L, exchange *x) {
  client *c = userdata_data(L, 1);
  token_answer token;
  int results;
  if (c == NULL || !c->open) x->end = EXCHANGE_CANCELLED;
  results = answer_token(L, x, &token, c == NULL ? NULL : scheme_of(c));
  return results > 0 ? results : keep_token(L, c, x, &token);
}

static const char *write_key(lua_State *L, exchange *x) {
  size_t length;
  const char *key = check_token(L, 2, 4, &length);
  const char *problem = token_problem(key, length);
  if (problem != NULL) return problem;
  buffer_append(&x->secret, key, length);
  buffer_text(&x->body, "{\"apiKey\":");
  json_write_string(&x->body, key, length);
  buffer_text(&x->body, "}");
  return NULL;
}

static int client_authenticate(lua_State *L) {
  long ms;
  call *k;
  const char *problem;
  (void)client_check(L);
  ms = check_ms(L, 3);
  lua_settop(L, 5); /* so that what is pushed is not taken for an argument */
  k = call_push(L, take_token, HTTP_POST, PERFORM_ANSWER_MAX);
  if (k == NULL) return facts_push_no_memory(L);
  problem = write_key(L, &k->exchange);
  if (problem != NULL) {
    userdata_free(L, 6);
    return facts_push_invalid(L, "api_key", problem);
  }
  perform_set_target(L, &k->exchange, PATH_TOKEN);
  return perform(L, k, ms, 5);
}

static const luaL_Reg methods[] = {
  {"authenticate", client_authenticate},
  {"authorize", client_authorize},
  {NULL, NULL},
};

void token_open(lua_State *L) {
  client_add_methods(L, methods);
}
