/* Any bytes as the server's side of an exchange: libcurl reads them from a
 * socket of this process, and what comes out goes through answer.lua.
 *
 * The first byte chooses the operation: `l`ist, `d`elete or `t`oken. The second
 * one the server's manner: `.` closes after the bytes, `s` does so too, but
 * sends them in small pieces, `k` keeps the connection, on which a second
 * request is answered, `x` drops that one instead, so that libcurl sends it
 * again. The rest is what the server sends. */
#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes/clock.h"
#include "core/answer.h"
#include "http/exchange.h"
#include "http/transport.h"

#define TOKEN "fuzz-access-token-qwertyuiop"
#define SECRET "fuzz-secret-key-ABCDEFGHIJKL"
#define LIST_MAX 1024 /* small, so that inputs go over it */
#define PIECE 7

#define PATIENCE_MS 2000 /* where the server closes, so never needed */
#define KEPT_MS 5

static const char second_answer[] =
  "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n"
  "{\"ok\":true,\"requestId\":\"second!\"}";

/* --- the server --- */

typedef struct server {
  int connection;      /* -1: none */
  bool asked;          /* the whole request is there */
  const char *bytes;   /* what it answers */
  size_t length;
  size_t sent;
  size_t piece;        /* most that goes out at once */
  bool closes;         /* after the answer */
  bool drops;          /* the next request that comes on this connection */
} server;

static int listener = -1;
static char base[64];

static void listen_here(void) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  check(bind(listener, (struct sockaddr *)&address, length) == 0);
  check(listen(listener, 8) == 0);
  check(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
  snprintf(base, sizeof base, "http://127.0.0.1:%d", ntohs(address.sin_port));
}

static void server_close(server *s) {
  if (s->connection >= 0) close(s->connection);
  s->connection = -1;
  s->asked = false;
}

static void server_accept(server *s) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  int at_once = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  server_close(s);
  s->connection = fd;
  s->sent = 0;
  s->drops = false;
}

/* Requests are small, so that the last byte of one comes with the others: the
 * empty line of a GET or DELETE, the brace of a POST. */
static void server_read(server *s) {
  char request[4096];
  ssize_t got = recv(s->connection, request, sizeof request, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) server_close(s);
  if (got <= 0) return;
  if (s->drops) {
    s->drops = false;
    server_close(s);
    return;
  }
  if (request[got - 1] == '\n' || request[got - 1] == '}') s->asked = true;
}

static void server_write(server *s) {
  size_t left = s->length - s->sent;
  ssize_t sent;
  if (!s->asked) return;
  if (left > s->piece) left = s->piece;
  sent = send(s->connection, s->bytes + s->sent, left, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) server_close(s);
  if (sent > 0) s->sent += (size_t)sent;
  if (s->sent == s->length && s->closes) server_close(s);
}

static void server_step(server *s) {
  server_accept(s);
  if (s->connection >= 0) server_read(s);
  if (s->connection >= 0) server_write(s);
}

/* --- exchanges --- */

static void open_transport(transport *t) {
  http_settings settings;
  const char *option;
  memset(&settings, 0, sizeof settings);
  memset(t, 0, sizeof *t);
  settings.base_url = base;
  settings.connect_timeout_ms = PATIENCE_MS;
  settings.ca_path = "/"; /* never read: looking for the system's takes time */
  check(transport_open(t, &settings, &option) == NULL);
}

static void prepare(exchange *x, char operation) {
  size_t limit = operation == 'l' ? LIST_MAX : 64 * 1024;
  exchange_init(x, operation == 'l' ? HTTP_GET
    : operation == 'd' ? HTTP_DELETE : HTTP_POST, limit);
  buffer_append(&x->target, "/v1/auth", sizeof "/v1/auth");
  buffer_text(&x->secret, SECRET);
  if (operation == 't') {
    buffer_text(&x->body, "{\"apiKey\":\"" SECRET "\"}");
  } else {
    check(authorization_make(
      &x->authorization, NULL, TOKEN, sizeof TOKEN - 1));
  }
}

static void run(exchange *x, transport *t, server *s, long ms) {
  int64_t start = clock_now();
  transport_start(t, x, ms);
  while (x->end == EXCHANGE_RUNNING) {
    server_step(s);
    check(transport_wait(t, 1) != TRANSPORT_FAILED);
  }
  check(clock_now() - start < ms + PATIENCE_MS);
  check(x->transport == NULL && x->easy == NULL && t->exchanges == NULL);
}

/* Pushes what the operation gives; for a token, which never reaches Lua, true,
 * its lifetime and its scope. */
static int push_results(lua_State *L, exchange *x, char operation) {
  token_answer token;
  int results;
  if (operation == 'l') return answer_list(L, x);
  if (operation == 'd') return answer_receipt(L, x);
  results = answer_token(L, x, &token, NULL);
  if (results > 0) return results;
  check(token.authorization.line->length > token.authorization.token_at);
  lua_pushboolean(L, 1);
  lua_pushinteger(L, (lua_Integer)token.expires_in);
  lua_pushlstring(L, token.scope.data, token.scope.length);
  authorization_free(&token.authorization);
  buffer_free(&token.scope);
  return 3;
}

/* --- what must hold --- */

/* Pushes the checks of answer.lua. */
static void push_checks(lua_State *L) {
  static int reference = LUA_NOREF;
  if (reference == LUA_NOREF) {
    if (luaL_dofile(L, "spec/fuzz/answer.lua") != LUA_OK) {
      fprintf(stderr, "%s\n", lua_tostring(L, -1));
      abort();
    }
    lua_pushstring(L, fuzz_mark(L));
    lua_call(L, 1, 1);
    reference = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
}

static void check_results(lua_State *L, exchange *x, char operation) {
  char name[] = {operation, '\0'};
  int results = push_results(L, x, operation);
  int first = lua_gettop(L) - results + 1;
  int i;
  push_checks(L);
  lua_pushstring(L, name);
  lua_pushstring(L, operation == 't' ? "" : TOKEN);
  lua_pushliteral(L, SECRET);
  for (i = 0; i < results; i++) lua_pushvalue(L, first + i);
  if (lua_pcall(L, 3 + results, 0, 0) != LUA_OK) {
    fprintf(stderr, "does not hold: %s\n", lua_tostring(L, -1));
    abort();
  }
}

/* Whatever came first, the next request gets its own answer. */
static void check_second(transport *t, server *s, bool drops) {
  lua_State *L = fuzz_lua();
  exchange x;
  s->bytes = second_answer;
  s->length = sizeof second_answer - 1;
  s->sent = 0;
  s->asked = false;
  s->drops = drops && s->connection >= 0;
  prepare(&x, 'd');
  run(&x, t, s, PATIENCE_MS);
  check(x.end == EXCHANGE_ANSWERED && x.status == 200);
  check(x.sends == 1 || (drops && x.sends == 2));
  check(answer_receipt(L, &x) == 1);
  lua_getfield(L, -1, "requestId");
  check(strcmp(lua_tostring(L, -1), "second!") == 0);
  exchange_free(&x);
}

static char choose(uint8_t byte, const char *choices) {
  return byte != '\0' && strchr(choices, byte) != NULL
    ? (char)byte : choices[byte % strlen(choices)];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = fuzz_lua();
  transport t;
  exchange x;
  server s = {-1, false, NULL, 0, 0, SIZE_MAX, true, false};
  char operation;
  char manner;
  bool keeps;
  if (size < 2 || fuzz_knows_mark((const char *)data, size)) return 0;
  if (listener < 0) listen_here();
  operation = choose(data[0], "ldt");
  manner = choose(data[1], "................................sssskx");
  keeps = manner == 'k' || manner == 'x';
  s.bytes = (const char *)data + 2;
  s.length = size - 2;
  s.closes = !keeps;
  if (manner == 's') s.piece = PIECE;
  open_transport(&t);
  prepare(&x, operation);
  run(&x, &t, &s, keeps ? KEPT_MS : PATIENCE_MS);
  check(x.sends <= 1);
  check_results(L, &x, operation);
  exchange_free(&x);
  if (keeps) check_second(&t, &s, manner == 'x');
  server_close(&s);
  transport_close(&t);
  transport_close(&t);
  fuzz_lua_end(L);
  return 0;
}
