/* The libcurl handles of requests: taken, set up, and given back. Some are kept
 * for later requests of the same method. */
#ifndef BYTENITE_HANDLE_H
#define BYTENITE_HANDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "http/exchange.h"
#include "http/model.h"

#define HANDLES_MAX 8

typedef struct handle_stock {
  CURL *kept[HANDLES_MAX];
  size_t count;
} handle_stock;

typedef struct handles {
  handle_stock gets;
  handle_stock deletes;
} handles;

/* Gives an exchange a handle that has its method. False when memory is
 * short. */
bool handle_take(handles *h, const model *m, exchange *x);

/* Sets up the exchange's handle for its request, with room for `answer` bytes
 * to be read at once. False when memory is short; the handle stays with the
 * exchange. */
bool handle_set_up(exchange *x, const model *m, size_t answer, long ms);

/* Makes the request go out on a new connection. False when memory is short. */
bool handle_renew(exchange *x, long ms);

/* Keeps or destroys the handle of an exchange that is over. */
void handle_give_back(handles *h, const model *m, exchange *x);

/* Destroys the handles that are kept. */
void handles_free(handles *h);

/* Leaves them alone instead: in a forked child they are the parent's. */
void handles_forget(handles *h);

#endif
