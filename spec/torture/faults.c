#include "faults.h"

#include <stddef.h>

const char *const fault_class_names[FAULT_CLASSES] = {
  "lua", "libcurl", "module", "syscall", "openssl",
};

const char *const fault_mode_names[FAULT_MODES] = {
  "transient", "twice", "persistent", "exhausted",
};

static fault_plan plan;
static bool armed;
static long met;

void faults_arm(const fault_plan *next) {
  plan = *next;
  met = 0;
  armed = true;
}

void faults_disarm(void) {
  armed = false;
}

bool faults_reached(void) {
  return met >= plan.first;
}

int faults_variant(void) {
  return armed && plan.class == FAULT_SYSCALL ? plan.variant : -1;
}

bool fault_due(fault_class class) {
  long later;
  if (!armed || plan.class != class) return false;
  later = ++met - plan.first;
  if (later < 0) return false;
  switch (plan.mode) {
    case FAULT_TRANSIENT: return later == 0;
    case FAULT_TWICE: return later <= 1;
    default: return !plan.alternate || later % 2 == 0;
  }
}
