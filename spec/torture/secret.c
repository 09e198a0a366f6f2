/* The module's secret.c, as it is, on pages that can be refused. */
#include "module_memory.h"

#define mmap module_mmap
#define munmap module_munmap
#define mlock module_mlock

#include "bytes/secret.c"
