/* The system calls that libcurl, OpenSSL and the module make on sockets. The
 * program defines them itself, so that those of shared libraries come here as
 * well. */
#ifndef TORTURE_SYSCALLS_H
#define TORTURE_SYSCALLS_H

/* How a call fails: an errno, or a transfer of one byte. For each variant,
 * only those calls are points that can end so. */
typedef struct syscall_variant {
  const char *name;
  int error;      /* 0: it moves one byte and succeeds */
  unsigned calls; /* a set of bits, private to syscalls.c */
} syscall_variant;

extern const syscall_variant syscall_variants[];
extern const int syscall_variant_count;

/* Connections that reached the network since the program began. */
long syscalls_connections(void);

#endif
