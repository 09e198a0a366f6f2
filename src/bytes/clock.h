/* Time that only goes forward, whatever happens to the wall clock. */
#ifndef BYTENITE_CLOCK_H
#define BYTENITE_CLOCK_H

#include <stdint.h>

/* Returns milliseconds since some fixed moment. */
int64_t clock_now(void);

#endif
