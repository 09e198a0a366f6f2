# bytenite.secrets: `make help` lists what can be made.

LUA_VERSION = 5.4
PREFIX = /usr/local
DESTDIR =
CFLAGS = -O2 -g
BUILD = .build/$(LUA_VERSION)

# LuaJIT runs the modules of Lua 5.1.
LUA_ABI = $(LUA_VERSION:jit=5.1)
LUA_PKG = $(if $(filter jit,$(LUA_VERSION)),luajit,lua$(LUA_VERSION))
LUA = $(if $(filter jit,$(LUA_VERSION)),luajit,lua$(LUA_VERSION))

VERSION := $(shell sed -n 's/.*BYTENITE_VERSION "\(.*\)"/\1/p' src/version.h)

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wconversion -Wundef -Wwrite-strings
HARDENING = -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
C_FLAGS = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
  $(HARDENING) -Isrc -Isrc/transport -Isrc/core \
  $(shell pkg-config --cflags $(LUA_PKG) libcurl libmicrohttpd 2>/dev/null || \
    pkg-config --cflags $(LUA_PKG) libcurl)
# -z nodelete: a resolver thread of libcurl may outlive the Lua state.
LD_FLAGS = -shared -pthread -Wl,-z,relro,-z,now,-z,nodelete

CORE_SOURCES = $(wildcard src/transport/*.c src/core/*.c)
EMULATOR_SOURCES = $(wildcard src/emulator/*.c) \
  src/transport/buffer.c src/transport/memory.c
CORE = $(BUILD)/bytenite/secrets/core.so
EMULATOR = $(BUILD)/bytenite/secrets/emulator/server.so
LUA_FILES = $(shell find lua -name '*.lua')

objects = $(patsubst src/%.c,$(BUILD)/%.o,$(1))

.PHONY: all
all: $(CORE) ## build the modules (the emulator if libmicrohttpd is there)
ifeq ($(shell pkg-config --exists libmicrohttpd && echo yes),yes)
all: $(EMULATOR)
endif

$(CORE): $(call objects,$(CORE_SOURCES))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ \
	  $(shell pkg-config --libs libcurl)

$(EMULATOR): $(call objects,$(EMULATOR_SOURCES))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ \
	  $(shell pkg-config --libs libmicrohttpd)

$(BUILD)/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find .build -name '*.d' 2>/dev/null)

.PHONY: clean
clean: ## remove what was built
	rm -rf .build
