/* The module's curl_memory.c, as it is, on an allocator that can fail and that
 * looks at what is given back. */
#include "module_memory.h"

/* Before the names below change what they declare. */
#include <malloc.h>
#include <string.h>

#define malloc libcurl_malloc
#define calloc libcurl_calloc
#define strdup libcurl_strdup
#define free libcurl_free_wiped
#define malloc_usable_size libcurl_usable_size

#include "http/curl_memory.c"
