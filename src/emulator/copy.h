/* Copies plain values from one Lua state to another one. */
#ifndef BYTENITE_EMULATOR_COPY_H
#define BYTENITE_EMULATOR_COPY_H

#include "compat.h"

/* Stack slots that a copy may take in the state it reads from: the caller
 * reserves them there beforehand. */
#define EMULATOR_COPY_SLOTS 128

/* Pushes onto `to` a copy of the value at the absolute `index` of `from`: nil,
 * booleans, numbers, strings, light userdata and tables of them, up to 40 deep.
 * Arrays that carry the mark keep it. Raises in `to` only, for any other type,
 * too deep tables and short memory, and may then leave values on top of
 * `from`'s stack. Runs no Lua code of `from`. */
void emulator_copy(lua_State *from, int index, lua_State *to);

/* Pops a table: the metatable that marks arrays in this state. */
void emulator_copy_mark(lua_State *L);

#endif
