/* The Client userdata of the core: each of its operations is one exchange. */
#ifndef BYTENITE_CLIENT_H
#define BYTENITE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "compat.h"
#include "core/options.h"
#include "http/authorization.h"
#include "http/transport.h"

typedef struct client {
  bool open;
  transport transport;
  authorization authorization; /* of the current access token, if any */
  char scheme[SCHEME_MAX + 1]; /* put before the token, or empty */
  size_t list_max;             /* bytes */
} client;

/* Registers the type and adds to the table on top:
 *
 *   client(options) -> Client | nil, problem, option
 *     options: base_url, user_agent, connect_timeout (seconds),
 *     max_response_bytes, max_connections (that are kept); and where wanted
 *     allow_http, auth_scheme, ca_file, ca_path, client_cert, client_key,
 *     proxy, no_proxy, remote_proxy (the proxy is not for a base URL on this
 *     machine), pollable (run gives a descriptor)
 *
 *   Client:authorize(token, trim?)        -> true | nil, facts
 *   Client:authenticate(key, seconds, trim?, start?)
 *                           -> { expiresIn =, scope =? }, sends | nil, facts
 *   Client:list(secretType?, seconds, start?)
 *                           -> records, sends | nil, facts
 *   Client:put(secret, secretKey, seconds, start?)
 *                           -> receipt, sends | nil, facts
 *   Client:delete(secretType, id, seconds, start?)
 *                           -> receipt, sends | nil, facts
 *   Client:close()
 *
 *   Client:collect(call)    what the operation that made it returns
 *   Client:run()            -> descriptor | nil, seconds
 *   Client:poll(calls, seconds, from?)
 *                           -> index of one that is done | nil | false
 *   Client:signal()         -> Call, to be ended by its method `set`
 *   Client:server_date()    -> seconds since 1970, monotonic seconds | nothing
 *
 * With `start`, an operation returns a Call (call.h) as soon as its request is
 * under way; `run` moves what is under way, `poll` does until one of some Calls
 * is done (false when the script is to be interrupted), and `collect` takes its
 * answer. An event loop waits until the descriptor is readable, or for the
 * seconds that `run` returned, and calls it again.
 *
 * `seconds` bounds the exchange; `sends` is how many requests left, libcurl's
 * own second ones included; facts are described in facts.h. A token or
 * key is a string or a SecretString; `trim` takes one newline off its end.
 * `authorize` keeps the token for list, put and delete; so does `authenticate`
 * with the one that it was given. Types are checked and misuse raises; a value
 * that cannot be sent gives facts with reason "invalid". */
void client_open(lua_State *L);

/* Adds methods to the registered type: each file of operations has its own. */
void client_add_methods(lua_State *L, const luaL_Reg *methods);

/* The Client at index 1, which must be open, or a Lua error. */
client *client_check(lua_State *L);

/* The same once Lua has run since: a finalizer may have closed it. */
client *client_check_again(lua_State *L);

/* The same, also closed; NULL when it was finalized. */
client *client_check_any(lua_State *L);

#endif
