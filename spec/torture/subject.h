/* One operation under test, and one run of it. */
#ifndef TORTURE_SUBJECT_H
#define TORTURE_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "faults.h"
#include "server.h"

#define PROBLEM_MAX 1024

typedef struct subject {
  const char *layer;        /* "core" or "policy", as in operations.lua */
  const char *operation;    /* as there */
  bool reused;              /* on a client with a kept connection */
  const char *certificates; /* directory of ca.pem, other.pem, server.pem */
  const char *root;         /* directory of the sources */
  server server;
} subject;

typedef enum outcome {
  OUTCOME_DONE,
  OUTCOME_FAILED,
  OUTCOME_RAISED,
  OUTCOMES
} outcome;

/* Runs the operation in a fresh Lua state while something fails, once more
 * while nothing does, and looks at what is left of both. NULL plan: nothing
 * fails. False when something is wrong: `problem` says what. `*reached` is
 * whether the planned point was met. */
bool subject_run(
  const subject *s, const fault_plan *plan, bool *reached, outcome *how,
  char problem[PROBLEM_MAX]
);

#endif
