#include "client.h"

#include <string.h>

#include "answer.h"
#include "call.h"
#include "json_encode.h"
#include "json_write.h"
#include "memory.h"
#include "options.h"
#include "record.h"
#include "secret_string.h"
#include "token_answer.h"
#include "userdata.h"

#define PATH_SECRETS "/v1/auth/secrets"
#define PATH_TOKEN "/v1/auth/access_token"
#define ANSWER_MAX (256 * 1024)

/* Room at once for what most puts send. */
#define BODY_USUAL 512

typedef struct client {
  bool open;
  transport transport;
  authorization authorization; /* of the current access token, if any */
  char scheme[SCHEME_MAX + 1]; /* put before the token, or empty */
  size_t list_max;             /* bytes */
} client;

static void release(void *data) {
  client *c = data;
  if (!c->open) return;
  c->open = false;
  transport_close(&c->transport);
  authorization_free(&c->authorization);
}

static const userdata_type client_type = {
  "bytenite.core.Client", sizeof(client), release
};

/* --- arguments --- */

static client *check_open(lua_State *L, client *c) {
  if (c == NULL || !c->open) luaL_error(L, "the client is closed");
  return c;
}

static client *check_client(lua_State *L) {
  return check_open(L, userdata_check(L, 1, &client_type));
}

/* Once more: finalizers may have run since then, and one of them could have
 * closed the client. */
static client *check_again(lua_State *L) {
  return check_open(L, userdata_data(L, 1));
}

static long check_ms(lua_State *L, int arg) {
  lua_Number seconds = luaL_checknumber(L, arg);
  luaL_argcheck(
    L, seconds > 0 && seconds <= SECONDS_MAX, arg, "seconds over 0 expected"
  );
  return milliseconds(seconds);
}

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
  buffer_text(&x->target, check_again(L)->transport.base.prefix);
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
 * and facts. The Call at `index` has done its duty. */
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
  client *c = check_again(L);
  exchange *x = &k->exchange;
  bool ready = enter(c, x);
  if (!lua_toboolean(L, start)) {
    if (ready) call_perform(L, x, &c->transport, ms);
    return collect(L, k, start + 1);
  }
  exchange_announce(x, c->transport.wakeup);
  if (ready) exchange_start(x, &c->transport, ms);
  return 1;
}

static call *push_authorized(
  lua_State *L, call_kind kind, http_method method, size_t answer_max
) {
  call *k = call_push(L, kind, method, answer_max);
  const authorization *token = &check_again(L)->authorization;
  if (token->line == NULL) luaL_error(L, "no access token is set");
  if (k == NULL) return NULL;
  k->exchange.authorization = *token;
  secret_retain(token->line);
  return k;
}

/* --- operations --- */

static int client_list(lua_State *L) {
  client *c = check_client(L);
  long ms = check_ms(L, 3);
  size_t length = 0;
  const char *type = lua_isnil(L, 2) ? NULL : check_text(L, 2, &length);
  const char *problem = type == NULL ? NULL : segment_problem(type, length);
  call *k;
  if (problem != NULL) return answer_invalid(L, "secretType", problem);
  lua_settop(L, 4);
  k = push_authorized(L, CALL_LIST, HTTP_GET, c->list_max);
  if (k == NULL) return answer_no_memory(L);
  set_target(L, &k->exchange, PATH_SECRETS);
  if (type != NULL) add_target(&k->exchange, "?secretType=", type, length);
  return perform(L, k, ms, 4);
}

static int client_delete(lua_State *L) {
  size_t type_length;
  size_t id_length;
  const char *type = check_text(L, 2, &type_length);
  const char *id = check_text(L, 3, &id_length);
  long ms = check_ms(L, 4);
  const char *problem = segment_problem(type, type_length);
  call *k;
  (void)check_client(L);
  if (problem != NULL) return answer_invalid(L, "secretType", problem);
  problem = segment_problem(id, id_length);
  if (problem != NULL) return answer_invalid(L, "id", problem);
  lua_settop(L, 5);
  k = push_authorized(L, CALL_RECEIPT, HTTP_DELETE, ANSWER_MAX);
  if (k == NULL) return answer_no_memory(L);
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

static int client_put(lua_State *L) {
  long ms = check_ms(L, 4);
  size_t length;
  call *k;
  const char *field;
  const char *problem;
  (void)check_client(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  check_credential(L, 3, &length);
  lua_settop(L, 5);
  k = push_authorized(L, CALL_RECEIPT, HTTP_POST, ANSWER_MAX);
  if (k == NULL) return answer_no_memory(L);
  problem = write_put(L, &k->exchange, &field);
  if (problem != NULL) {
    userdata_free(L, 6);
    return answer_invalid(L, field, problem);
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

static int client_authenticate(lua_State *L) {
  long ms = check_ms(L, 3);
  call *k;
  const char *problem;
  (void)check_client(L);
  lua_settop(L, 5); /* so that what is pushed is not taken for an argument */
  k = call_push(L, CALL_TOKEN, HTTP_POST, ANSWER_MAX);
  if (k == NULL) return answer_no_memory(L);
  problem = write_key(L, &k->exchange);
  if (problem != NULL) {
    userdata_free(L, 6);
    return answer_invalid(L, "api_key", problem);
  }
  set_target(L, &k->exchange, PATH_TOKEN);
  return perform(L, k, ms, 5);
}

static int client_authorize(lua_State *L) {
  client *c = check_client(L);
  size_t length;
  const char *token = check_token(L, 2, 3, &length);
  const char *problem = token_problem(token, length);
  const authorization *now = &c->authorization;
  authorization next = {NULL, 0};
  if (problem != NULL) return answer_invalid(L, "access_token", problem);
  lua_pushboolean(L, 1);
  if (now->line != NULL && memory_equal(
      now->line->bytes + now->token_at, now->line->length - now->token_at,
      token, length)) {
    return 1;
  }
  if (!authorization_make(&next, scheme_of(c), token, length)) {
    return answer_no_memory(L);
  }
  authorization_free(&c->authorization);
  c->authorization = next;
  return 1;
}

/* --- what is under way --- */

static int client_collect(lua_State *L) {
  call *k;
  (void)userdata_check(L, 1, &client_type);
  k = call_check(L, 2);
  luaL_argcheck(L, k != NULL, 2, "its answer was collected");
  luaL_argcheck(
    L, k->exchange.end != EXCHANGE_RUNNING, 2, "it is still under way"
  );
  return collect(L, k, 2);
}

static int client_signal(lua_State *L) {
  client *c;
  call *k;
  (void)check_client(L);
  k = call_push(L, CALL_SIGNAL, HTTP_GET, 0);
  c = check_again(L);
  if (k == NULL) return answer_no_memory(L);
  exchange_announce(&k->exchange, c->transport.wakeup);
  return 1;
}

/* Moves what is under way; blocks until one of these calls has ended, or the
 * time is up. Returns its index, or nil, or false when the script is to be
 * interrupted. The look begins with the one at an index, which saves time where
 * those before have been looked at. Nothing is under way on a closed client. */
static int client_poll(lua_State *L) {
  client *c = userdata_check(L, 1, &client_type);
  long ms = check_ms(L, 3);
  int from = call_check_from(L, 4);
  bool forked;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  if (c != NULL && c->open && transport_enter(&c->transport, &forked)) {
    call_poll(L, 2, from, &c->transport, ms);
    return 1;
  }
  if (call_push_done(L, 2, 1)) return 1;
  if (call_sleep(L, ms < 10 ? ms : 10)) return 0;
  lua_pushboolean(L, 0);
  return 1;
}

/* Moves what is under way. Returns the descriptor that an event loop has to
 * wait for, if there is one, and for how many seconds at most. */
static int client_run(lua_State *L) {
  client *c = userdata_check(L, 1, &client_type);
  transport *t;
  bool forked;
  lua_pushnil(L);
  lua_pushnumber(L, 0.01);
  if (c == NULL || !c->open) return 2;
  t = &c->transport;
  if (!transport_enter(t, &forked)) return 2;
  (void)transport_wait(t, 0);
  if (t->wakeup->epoll >= 0) {
    lua_pushinteger(L, t->wakeup->epoll);
    lua_replace(L, -3);
  }
  lua_pushnumber(L, (lua_Number)transport_patience(t) / 1000);
  lua_replace(L, -2);
  return 2;
}

/* The clock of the service, in seconds since 1970, as the newest answer had it,
 * and the monotonic seconds when that came; nothing if it did not say. */
static int client_server_date(lua_State *L) {
  const transport *t = &check_client(L)->transport;
  time_t date = *t->date == '\0' ? -1 : curl_getdate(t->date, NULL);
  if (date == -1) return 0;
  lua_pushnumber(L, (lua_Number)date);
  lua_pushnumber(L, (lua_Number)t->date_at / 1000);
  return 2;
}

/* --- release --- */

static int client_close(lua_State *L) {
  client *c = userdata_check(L, 1, &client_type);
  if (c != NULL) release(c);
  return 0;
}

static int client__tostring(lua_State *L) {
  const client *c = userdata_check(L, 1, &client_type);
  lua_pushfstring(L, "%s (%s)", client_type.name,
    c != NULL && c->open ? "open" : "closed");
  return 1;
}

/* --- the type and its constructor --- */

static int push_problem(
  lua_State *L, const char *problem, const char *option
) {
  lua_pushnil(L);
  lua_pushstring(L, problem);
  lua_pushstring(L, option);
  return 3;
}

static int client_new(lua_State *L) {
  options given;
  const char *option;
  const char *problem;
  client *c;
  luaL_checktype(L, 1, LUA_TTABLE);
  problem = options_read(L, &given, &option);
  c = userdata_push(L, &client_type);
  if (c == NULL) return push_problem(L, "memory is short", NULL);
  c->open = true;
  c->list_max = given.list_max;
  memcpy(c->scheme, given.scheme, sizeof c->scheme);
  if (problem == NULL) {
    problem = transport_open(&c->transport, &given.transport, &option);
  }
  return problem == NULL ? 1 : push_problem(L, problem, option);
}

static const luaL_Reg methods[] = {
  {"authenticate", client_authenticate},
  {"authorize", client_authorize},
  {"close", client_close},
  {"collect", client_collect},
  {"delete", client_delete},
  {"list", client_list},
  {"poll", client_poll},
  {"put", client_put},
  {"run", client_run},
  {"server_date", client_server_date},
  {"signal", client_signal},
  {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__close", client_close},
  {"__tostring", client__tostring},
  {NULL, NULL},
};

static const luaL_Reg functions[] = {
  {"client", client_new},
  {NULL, NULL},
};

void client_open(lua_State *L) {
  userdata_register(L, &client_type, methods, metamethods);
  luaL_setfuncs(L, functions, 0);
}
