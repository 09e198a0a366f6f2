/* What a command-line tool needs of the terminal and Lua does not have. */
#ifndef BYTENITE_TERMINAL_H
#define BYTENITE_TERMINAL_H

#include "compat.h"

/* Adds these functions to the table on top of the stack:
 *
 *   guard_streams()        opens those of the three standard streams that are
 *                          closed, so that no file or socket takes their place;
 *                          reading and writing them fails as before
 *   is_terminal(fd)        whether a descriptor is a terminal
 *   terminal_width(fd)     its columns | nil
 *   character_width(text)  columns of the one UTF-8 character that the text is;
 *                          nil when it is none, or none that is shown
 *   poll(fd?, seconds)     waits for what can be read from fd: whether there is
 *                          something; a signal ends the wait
 */
void terminal_open(lua_State *L);

#endif
