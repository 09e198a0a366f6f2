/* Tells a forked child from its parent without asking the system each time. */
#ifndef BYTENITE_FORK_H
#define BYTENITE_FORK_H

/* A positive number that stays the same in this process, and is another one in
 * each process that descends from it by fork(2). */
long fork_generation(void);

#endif
