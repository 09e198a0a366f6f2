/* The module's fork.c, as it is, on pages that can be refused. */
#include "module_memory.h"

#define mmap module_mmap
#define munmap module_munmap

#include "bytes/fork.c"
