/* Plain bytes: ASCII that JSON strings hold as it is, which most of most texts
 * is made of. */
#ifndef BYTENITE_PLAIN_H
#define BYTENITE_PLAIN_H

#include <stddef.h>

/* How many bytes the text begins with that are plain. */
size_t plain_prefix(const char *text, size_t length);

#endif
