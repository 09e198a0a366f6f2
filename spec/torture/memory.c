/* The module's memory.c, as it is, on an allocator that can fail. */
#include "module_memory.h"

#define calloc module_calloc
#define free module_free

#include "bytes/memory.c"
