#include "contestant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void contestant_require(bool condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void read_operation(contestant *c, const char *name) {
  const char *path = "";
  if (strcmp(name, "list") == 0) {
    c->operation = OPERATION_LIST;
  } else if (strcmp(name, "put") == 0) {
    c->operation = OPERATION_PUT;
  } else {
    contestant_require(strcmp(name, "delete") == 0, "no such operation");
    c->operation = OPERATION_DELETE;
    path = "/s3/s3-secret";
  }
  snprintf(c->url, sizeof c->url, "%s/v1/auth/secrets%s", c->base, path);
}

static void read_ca(contestant *c, char *ca) {
  char *colon = strchr(ca, ':');
  if (strcmp(ca, "-") == 0) return;
  c->ca_file = ca;
  if (colon == NULL) return;
  *colon = '\0';
  c->ca_path = colon + 1;
}

void contestant_arguments(contestant *c, int argc, char **argv) {
  contestant_require(argc == 6 || argc == 7,
    "arguments: OPERATION URL CA WARMUP COUNT [CONCURRENCY]");
  memset(c, 0, sizeof *c);
  c->base = argv[2];
  read_operation(c, argv[1]);
  read_ca(c, argv[3]);
  c->warmup = atol(argv[4]);
  c->count = atol(argv[5]);
  c->concurrency = argc == 7 ? atol(argv[6]) : 1;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void contestant_time(
  const contestant *c, void (*calls)(void *context, long count), void *context
) {
  double cpu;
  double wall;
  calls(context, c->warmup);
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  wall = seconds(CLOCK_MONOTONIC);
  calls(context, c->count);
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  wall = seconds(CLOCK_MONOTONIC) - wall;
  printf("%.9f %.9f\n", cpu, wall);
}
