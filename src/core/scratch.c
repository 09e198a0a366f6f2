#include "core/scratch.h"

#include <stdint.h>

#include "core/userdata.h"

static void release(void *data) {
  buffer_free(data);
}

static const userdata_type scratch_type = {
  "bytenite.Scratch", sizeof(buffer), release
};

buffer *scratch_push(lua_State *L) {
  buffer *b = userdata_push(L, &scratch_type);
  if (b != NULL) buffer_init(b, SIZE_MAX / 2);
  return b;
}

static const luaL_Reg none[] = {
  {NULL, NULL},
};

void scratch_open(lua_State *L) {
  userdata_register(L, &scratch_type, none, none);
}
