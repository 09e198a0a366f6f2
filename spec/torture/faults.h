/* Which call fails. A run of the harness plans one failure: the Nth point of
 * one class, where a point is a call of that class that could fail. */
#ifndef TORTURE_FAULTS_H
#define TORTURE_FAULTS_H

#include <stdbool.h>

typedef enum fault_class {
  FAULT_LUA,     /* Lua's allocator */
  FAULT_LIBCURL, /* libcurl's */
  FAULT_MODULE,  /* calloc, mmap and mlock of the module */
  FAULT_SYSCALL, /* system calls on sockets */
  FAULT_OPENSSL, /* OpenSSL's allocator */
  FAULT_CLASSES
} fault_class;

typedef enum fault_mode {
  FAULT_TRANSIENT,  /* the Nth point alone */
  FAULT_TWICE,      /* the Nth and the next */
  FAULT_PERSISTENT, /* the Nth and all later, until the operation returns */
  FAULT_EXHAUSTED,  /* the same, until the Lua state is closed */
  FAULT_MODES
} fault_mode;

extern const char *const fault_class_names[FAULT_CLASSES];
extern const char *const fault_mode_names[FAULT_MODES];

typedef struct fault_plan {
  fault_class class;
  fault_mode mode;
  long first;    /* N, from 1 */
  int variant;   /* of FAULT_SYSCALL: how it fails, see syscalls.h */
  bool alternate; /* all later means every second one */
} fault_plan;

/* Counts points from now on, and lets them fail as planned. */
void faults_arm(const fault_plan *plan);

void faults_disarm(void);

/* Whether point N was met since faults_arm. */
bool faults_reached(void);

/* The variant that is planned, if system calls are to fail; else -1. */
int faults_variant(void);

/* A point of a class: whether it is to fail. */
bool fault_due(fault_class class);

#endif
