/* A secret in pages of its own: outside the Lua heap and the C heap, locked in
 * memory and kept out of core dumps where the system allows, wiped at the end.
 * A forked child reads it as before; mlock(2) is not inherited, so the child
 * locks it again (secret_lock). */
#ifndef BYTENITE_SECRET_H
#define BYTENITE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MAX (64 * 1024)

typedef struct secret {
  size_t length;   /* of the bytes */
  size_t capacity; /* bytes there is room for */
  size_t mapped;   /* size of the mapping, this header included */
  unsigned references;
  bool undumped;   /* core dumps leave it out */
  bool locked;     /* mlock(2) succeeded in process `owner` */
  long owner;
  char bytes[];    /* always followed by a NUL, which `length` leaves out */
} secret;

/* Room for `capacity` bytes, none used yet, one reference. NULL when memory is
 * short. Locking and keeping out of core dumps are best effort. */
secret *secret_new(size_t capacity);

/* The same with these bytes in it. */
secret *secret_from(const char *bytes, size_t length);

/* One more owner. */
secret *secret_retain(secret *s);

/* One owner less; the last one wipes the pages and unmaps them. NULL is
 * allowed. */
void secret_release(secret *s);

/* Overwrites the bytes; the length becomes 0. */
void secret_wipe(secret *s);

/* Locks the pages in this process unless they are; whether they are now. */
bool secret_lock(secret *s);

/* How well secrets are kept in this process, which is tried. */
typedef struct secret_protection {
  bool locked;
  bool undumped;
} secret_protection;

secret_protection secret_try(void);

#endif
