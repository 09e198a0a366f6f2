#include "core/operations.h"

#include "bytes/memory.h"
#include "core/answer.h"
#include "core/call.h"
#include "core/client.h"
#include "core/facts.h"
#include "core/options.h"
#include "core/record.h"
#include "core/secret_string.h"
#include "core/token_answer.h"
#include "core/userdata.h"
#include "json/write.h"

#define PATH_SECRETS "/v1/auth/secrets"
#define PATH_TOKEN "/v1/auth/access_token"
#define ANSWER_MAX (256 * 1024)

/* Room at once for what most puts send. */
#define BODY_USUAL 512

/* --- arguments --- */

static const char *check_text(lua_State *L, int arg, size_t *length) {
  luaL_argcheck(L, lua_type(L, arg) == LUA_TSTRING, arg, "string expected");
  return lua_tolstring(L, arg, length);
}

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

/* --- requests --- */

static void set_target(lua_State *L, exchange *x, const char *path) {
  buffer_text(&x->target, transport_prefix(&client_check_again(L)->transport));
  buffer_text(&x->target, path);
}

/* One more segment, or the value after `before`. */
static void add_target(
  exchange *x, const char *before, const char *text, size_t length
) {
  buffer_text(&x->target, before);
  url_append_encoded(&x->target, text, length);
}

/* The last check before bytes leave: everything was written. */
static bool enter(client *c, exchange *x) {
  bool forked;
  buffer_append(&x->target, "", 1);
  if (
    !transport_enter(&c->transport, &forked)
    || x->target.state != BUFFER_OK || x->body.state != BUFFER_OK
    || x->secret.state != BUFFER_OK
  ) {
    x->end = EXCHANGE_MEMORY;
    return false;
  }
  if (forked && c->authorization.line != NULL) {
    secret_lock(c->authorization.line);
  }
  return true;
}

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

static int read_answer(lua_State *L, call *k) {
  switch (k->kind) {
    case CALL_LIST: return answer_list(L, &k->exchange);
    case CALL_RECEIPT: return answer_receipt(L, &k->exchange);
    case CALL_TOKEN: return take_token(L, &k->exchange);
    default: return luaL_error(L, "a signal has no answer");
  }
}

/* The results of an operation: its value and how many requests it took, or nil
 * and facts. The Call at `index`, which nothing else may know, for finalizers
 * may run meanwhile, has done its duty. */
static int collect(lua_State *L, call *k, int index) {
  lua_Integer sends = (lua_Integer)k->exchange.sends;
  int results = read_answer(L, k);
  userdata_free(L, index);
  memory_burn_stack();
  if (results == 2) return 2;
  lua_pushinteger(L, sends);
  return 2;
}

/* Performs the call on top, or, when the last argument, `start`, is true, only
 * starts and returns it. */
static int perform(lua_State *L, call *k, long ms, int start) {
  client *c = client_check_again(L);
  exchange *x = &k->exchange;
  bool ready = enter(c, x);
  if (!lua_toboolean(L, start)) {
    if (ready) call_perform(L, x, &c->transport, ms);
    return collect(L, k, start + 1);
  }
  exchange_announce(x, transport_wakeup(&c->transport));
  if (ready) transport_start(&c->transport, x, ms);
  return 1;
}

static const authorization *check_token_set(lua_State *L) {
  const authorization *token = &client_check_again(L)->authorization;
  if (token->line == NULL) luaL_error(L, "no access token is set");
  return token;
}

static call *push_authorized(
  lua_State *L, call_kind kind, http_method method, size_t answer_max
) {
  const authorization *token;
  call *k;
  (void)check_token_set(L);
  k = call_push(L, kind, method, answer_max);
  token = check_token_set(L); /* once more, for the client too */
  if (k == NULL) return NULL;
  k->exchange.authorization = *token;
  secret_retain(token->line);
  return k;
}

/* --- operations --- */

int operation_list(lua_State *L) {
  client *c = client_check(L);
  long ms = check_ms(L, 3);
  size_t length = 0;
  const char *type = lua_isnil(L, 2) ? NULL : check_text(L, 2, &length);
  const char *problem = type == NULL ? NULL : segment_problem(type, length);
  call *k;
  if (problem != NULL) return facts_push_invalid(L, "secretType", problem);
  lua_settop(L, 4);
  k = push_authorized(L, CALL_LIST, HTTP_GET, c->list_max);
  if (k == NULL) return facts_push_no_memory(L);
  set_target(L, &k->exchange, PATH_SECRETS);
  if (type != NULL) add_target(&k->exchange, "?secretType=", type, length);
  return perform(L, k, ms, 4);
}

int operation_delete(lua_State *L) {
  size_t type_length;
  size_t id_length;
  const char *type;
  const char *id;
  const char *problem;
  long ms;
  call *k;
  (void)client_check(L);
  type = check_text(L, 2, &type_length);
  id = check_text(L, 3, &id_length);
  ms = check_ms(L, 4);
  problem = segment_problem(type, type_length);
  if (problem != NULL) return facts_push_invalid(L, "secretType", problem);
  problem = segment_problem(id, id_length);
  if (problem != NULL) return facts_push_invalid(L, "id", problem);
  lua_settop(L, 5);
  k = push_authorized(L, CALL_RECEIPT, HTTP_DELETE, ANSWER_MAX);
  if (k == NULL) return facts_push_no_memory(L);
  set_target(L, &k->exchange, PATH_SECRETS);
  add_target(&k->exchange, "/", type, type_length);
  add_target(&k->exchange, "/", id, id_length);
  return perform(L, k, ms, 5);
}

/* The key is taken last: writing the record may raise, which would leave a copy
 * behind until the call is collected, and may run finalizers, of which one may
 * wipe a SecretString. */
static const char *write_put(
  lua_State *L, exchange *x, const char **field
) {
  size_t length;
  const char *key;
  const char *problem;
  buffer_reserve(&x->body, BODY_USUAL);
  buffer_text(&x->body, "{\"secret\":");
  problem = record_encode(L, 2, &x->body, field);
  if (problem != NULL) return problem;
  *field = "secretKey";
  key = check_credential(L, 3, &length);
  problem = secret_key_problem(key, length);
  if (problem != NULL) return problem;
  buffer_append(&x->secret, key, length);
  buffer_text(&x->body, ",\"secretKey\":");
  json_write_string(&x->body, key, length);
  buffer_text(&x->body, "}");
  return NULL;
}

int operation_put(lua_State *L) {
  long ms;
  size_t length;
  call *k;
  const char *field;
  const char *problem;
  (void)client_check(L);
  ms = check_ms(L, 4);
  luaL_checktype(L, 2, LUA_TTABLE);
  check_credential(L, 3, &length);
  lua_settop(L, 5);
  k = push_authorized(L, CALL_RECEIPT, HTTP_POST, ANSWER_MAX);
  if (k == NULL) return facts_push_no_memory(L);
  problem = write_put(L, &k->exchange, &field);
  if (problem != NULL) {
    userdata_free(L, 6);
    return facts_push_invalid(L, field, problem);
  }
  set_target(L, &k->exchange, PATH_SECRETS);
  return perform(L, k, ms, 5);
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

int operation_authenticate(lua_State *L) {
  long ms;
  call *k;
  const char *problem;
  (void)client_check(L);
  ms = check_ms(L, 3);
  lua_settop(L, 5); /* so that what is pushed is not taken for an argument */
  k = call_push(L, CALL_TOKEN, HTTP_POST, ANSWER_MAX);
  if (k == NULL) return facts_push_no_memory(L);
  problem = write_key(L, &k->exchange);
  if (problem != NULL) {
    userdata_free(L, 6);
    return facts_push_invalid(L, "api_key", problem);
  }
  set_target(L, &k->exchange, PATH_TOKEN);
  return perform(L, k, ms, 5);
}

int operation_authorize(lua_State *L) {
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

int operation_collect(lua_State *L) {
  call *k;
  (void)client_check_any(L);
  k = call_check(L, 2);
  luaL_argcheck(L, k != NULL, 2, "its answer was collected");
  luaL_argcheck(
    L, k->exchange.end != EXCHANGE_RUNNING, 2, "it is still under way"
  );
  lua_settop(L, 2);
  k = call_take(L, 2);
  luaL_argcheck(L, k != NULL, 2, "its answer was collected");
  return collect(L, k, 3);
}
