#include "core/operations.h"

#include "core/answer.h"
#include "core/call.h"
#include "core/client.h"
#include "core/facts.h"
#include "core/options.h"
#include "core/perform.h"
#include "core/record.h"
#include "core/secret_string.h"
#include "core/userdata.h"
#include "http/url.h"
#include "json/write.h"

#define PATH_SECRETS "/v1/auth/secrets"

/* Room at once for what most puts send. */
#define BODY_USUAL 512

static const char *check_text(lua_State *L, int arg, size_t *length) {
  luaL_argcheck(L, lua_type(L, arg) == LUA_TSTRING, arg, "string expected");
  return lua_tolstring(L, arg, length);
}

/* One more segment, or the value after `before`. */
static void add_target(
  exchange *x, const char *before, const char *text, size_t length
) {
  buffer_text(&x->target, before);
  url_append_encoded(&x->target, text, length);
}

static const authorization *check_token_set(lua_State *L) {
  const authorization *token = &client_check_again(L)->authorization;
  if (token->line == NULL) luaL_error(L, "no access token is set");
  return token;
}

static call *push_authorized(
  lua_State *L, call_reader *read, http_method method, size_t answer_max
) {
  const authorization *token;
  call *k;
  (void)check_token_set(L);
  k = call_push(L, read, method, answer_max);
  token = check_token_set(L); /* once more, for the client too */
  if (k == NULL) return NULL;
  k->exchange.authorization = *token;
  secret_retain(token->line);
  return k;
}

/* --- the methods --- */

static int client_list(lua_State *L) {
  client *c = client_check(L);
  long ms = check_ms(L, 3);
  size_t length = 0;
  const char *type = lua_isnil(L, 2) ? NULL : check_text(L, 2, &length);
  const char *problem = type == NULL ? NULL : segment_problem(type, length);
  call *k;
  if (problem != NULL) return facts_push_invalid(L, "secretType", problem);
  lua_settop(L, 4);
  k = push_authorized(L, answer_list, HTTP_GET, c->list_max);
  if (k == NULL) return facts_push_no_memory(L);
  perform_set_target(L, &k->exchange, PATH_SECRETS);
  if (type != NULL) add_target(&k->exchange, "?secretType=", type, length);
  return perform(L, k, ms, 4);
}

static int client_delete(lua_State *L) {
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
  k = push_authorized(L, answer_receipt, HTTP_DELETE, PERFORM_ANSWER_MAX);
  if (k == NULL) return facts_push_no_memory(L);
  perform_set_target(L, &k->exchange, PATH_SECRETS);
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

static int client_put(lua_State *L) {
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
  k = push_authorized(L, answer_receipt, HTTP_POST, PERFORM_ANSWER_MAX);
  if (k == NULL) return facts_push_no_memory(L);
  problem = write_put(L, &k->exchange, &field);
  if (problem != NULL) {
    userdata_free(L, 6);
    return facts_push_invalid(L, field, problem);
  }
  perform_set_target(L, &k->exchange, PATH_SECRETS);
  return perform(L, k, ms, 5);
}

static const luaL_Reg methods[] = {
  {"delete", client_delete},
  {"list", client_list},
  {"put", client_put},
  {NULL, NULL},
};

void operations_open(lua_State *L) {
  client_add_methods(L, methods);
}
