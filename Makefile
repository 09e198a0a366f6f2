# bytenite.secrets: `make help` lists the targets.

LUA_VERSION = 5.4
PREFIX = /usr/local
DESTDIR =
CFLAGS = -O2 -g
BUILD = .build/$(LUA_VERSION)

# `make LUA_VERSION=jit` is for LuaJIT, which loads the modules of Lua 5.1.
LUA = lua$(LUA_VERSION:%jit=jit)
LUA_ABI = $(LUA_VERSION:jit=5.1)
LUADIR = $(PREFIX)/share/lua/$(LUA_ABI)
LIBDIR = $(PREFIX)/lib/lua/$(LUA_ABI)
BINDIR = $(PREFIX)/bin

# Where the headers are; LuaRocks passes these.
LUA_CFLAGS = $(shell pkg-config --cflags $(LUA) 2>/dev/null)
CURL_CFLAGS = $(shell pkg-config --cflags libcurl 2>/dev/null)
CURL_LIBS = $(shell pkg-config --libs libcurl 2>/dev/null || echo -lcurl)
MICROHTTPD_CFLAGS = $(shell pkg-config --cflags libmicrohttpd 2>/dev/null)
MICROHTTPD_LIBS = $(shell pkg-config --libs libmicrohttpd 2>/dev/null || echo -lmicrohttpd)

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wconversion -Wundef -Wwrite-strings
HARDENING = -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -pthread -fPIC -fvisibility=hidden \
  $(WARNINGS) $(HARDENING) -Isrc \
  $(LUA_CFLAGS) $(CURL_CFLAGS) $(MICROHTTPD_CFLAGS) $(CPPFLAGS) $(CFLAGS)
# nodelete: a resolver thread of libcurl may outlive the Lua state that loaded
# the module. now: no lazy binding, which may leave registers on the stack.
LINK = $(CC) $(CFLAGS) -shared -pthread -Wl,-z,relro,-z,now,-z,nodelete $(LDFLAGS)

CORE = $(BUILD)/bytenite/secrets/core.so
CORE_OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o, \
  $(wildcard $(addsuffix /*.c,$(addprefix src/,bytes json http http/tls core))))
EMULATOR = $(BUILD)/bytenite/secrets/emulator/server.so
EMULATOR_OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o, \
  $(wildcard src/emulator/*.c) src/core/userdata.c \
  src/bytes/buffer.c src/bytes/memory.c)

# How the specs and the demo find what was built here.
RUN = LUA_PATH="lua/?.lua;spec/support/?.lua;spec/?.lua;;" LUA_CPATH="$(BUILD)/?.so;;"
BUSTED = $(LUA) $(shell command -v busted) --helper=spec/support/helper.lua \
  --output=spec/support/report.lua
SPECS = $(filter-out spec/hosts/%,$(sort $(shell find spec -name '*_spec.lua')))
SHORT = $(filter-out spec/%chaos_spec.lua spec/memscan_spec.lua, \
  $(wildcard spec/*_spec.lua spec/cli/*_spec.lua))
OF_LIBCURL = $(patsubst %,spec/%_spec.lua,answer broken_server config_network config_url \
  core leak native outcome retry round_trip secrets session status wire faults/ca_file faults/tls)
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

HAS_MICROHTTPD = $(shell pkg-config --exists libmicrohttpd 2>/dev/null && echo yes)

.PHONY: all
all: core $(if $(HAS_MICROHTTPD),emulator) ## build the modules, the emulator's if libmicrohttpd is there

.PHONY: core emulator
core: $(CORE) ## build bytenite.secrets.core
emulator: $(EMULATOR) ## build the emulator's server

$(CORE): $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(CURL_LIBS)

$(EMULATOR): $(EMULATOR_OBJECTS)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(MICROHTTPD_LIBS)

$(BUILD)/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

-include $(CORE_OBJECTS:.o=.d) $(EMULATOR_OBJECTS:.o=.d)

$(BUILD)/%.so: spec/support/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(LINK:$(CC)%=%) -o $@ $<

.PHONY: install install-core install-command install-emulator
install: install-core install-command $(if $(HAS_MICROHTTPD)$(wildcard $(EMULATOR)),install-emulator) ## install (PREFIX, DESTDIR, LUA_VERSION)

install-core: core
	set -e; cd lua; find . -name '*.lua' | while read -r file; do \
	  install -D -m 644 "$$file" "$(DESTDIR)$(LUADIR)/$$file"; done
	install -D -m 755 $(CORE) $(DESTDIR)$(LIBDIR)/bytenite/secrets/core.so

# The command finds what it was installed with, wherever that is.
install-command:
	install -d $(DESTDIR)$(BINDIR)
	{ echo '#!/usr/bin/env $(LUA)'; \
	  echo 'package.path = "$(LUADIR)/?.lua;" .. package.path'; \
	  echo 'package.cpath = "$(LIBDIR)/?.so;" .. package.cpath'; \
	  tail -n +2 lua/bytenite-secrets; } >$(DESTDIR)$(BINDIR)/bytenite-secrets
	chmod 755 $(DESTDIR)$(BINDIR)/bytenite-secrets

install-emulator: emulator
	install -D -m 755 $(EMULATOR) $(DESTDIR)$(LIBDIR)/bytenite/secrets/emulator/server.so

VERSION = $(shell sed -n 's/.*BYTENITE_VERSION "\(.*\)"/\1/p' src/version.h)
DIST = .build/dist
ARCHIVE = $(DIST)/bytenite-secrets-$(VERSION).tar.gz

# git writes the same bytes for the same commit: names in order, no owner but
# root, the time of the commit.
.PHONY: dist
dist: ## write the last commit's archive, and the rockspecs that install it
	@rm -rf $(DIST)
	@mkdir -p $(DIST)
	git -c tar.umask=0022 archive --prefix=bytenite-secrets-$(VERSION)/ HEAD | \
	  gzip -9 -n >$(ARCHIVE)
	for path in $$(git ls-files '*.rockspec'); do \
	  git show HEAD:$$path >$(DIST)/$${path##*/} || exit 1; done

.PHONY: release-check
release-check: setup-test ## check what .github/CONTRIBUTING.md says about releases
	@$(MAKE) --no-print-directory -s core emulator
	@$(MAKE) --no-print-directory -s spec SPECS=spec/version_spec.lua
	@MAKE="$(MAKE)" spec/support/release-check $(VERSION)

.PHONY: setup-build setup-test
setup-build: # packages that building and the demo need
	@spec/support/setup build $(LUA_VERSION)

setup-test: # and those that the specs and linters need
	@spec/support/setup test $(LUA_VERSION)

.PHONY: demo
demo: setup-build ## show the main job against the emulator; sets itself up
	@$(MAKE) --no-print-directory -s core emulator
	@$(RUN) LUA=$(LUA) spec/demo/run

# The specs end with their counts, so it is their report that says how long all of it took.
.PHONY: test
test: ## run all specs and linters; sets itself up
	@export TEST_STARTED=$$(date +%s); make="$(MAKE) --no-print-directory -s"; \
	spec/support/step set-up $$make setup-test && \
	spec/support/step build $$make core emulator CFLAGS="$(CFLAGS) -Werror" && \
	spec/support/step lint $$make lint && \
	echo "-- specs" && $$make spec

.PHONY: test-all test-short test-gnutls
test-all: ## the same for each Lua in turn: 5.4, 5.3, 5.1 and LuaJIT
	@for version in 5.4 5.3 5.1 jit; do echo "== Lua $$version"; \
	  $(MAKE) --no-print-directory -s test LUA_VERSION=$$version || exit 1; done

test-short: setup-test # without the linters, the faults and the memory scan
	@$(MAKE) --no-print-directory -s core emulator CFLAGS="$(CFLAGS) -Werror"
	@$(MAKE) --no-print-directory -s spec SPECS="$(SHORT)"

test-gnutls: setup-test ## run the specs of the core with the libcurl that uses GnuTLS
	@$(MAKE) --no-print-directory -s core emulator BUILD=$(BUILD)-gnutls \
	  CURL_LIBS=-l:libcurl-gnutls.so.4
	@$(MAKE) --no-print-directory -s spec BUILD=$(BUILD)-gnutls SPECS="$(OF_LIBCURL)"

# Hosts find the module as they would on a machine where it is installed.
.PHONY: test-hosts
test-hosts: ## use the module within lighttpd, Prosody, HAProxy, Apache, nginx, Neovim, pandoc, C; sets itself up
	@spec/support/setup hosts $(LUA_VERSION)
	@rm -rf .build/hosts
	@for version in 5.4 5.3 jit; do $(MAKE) --no-print-directory -s install-core \
	  LUA_VERSION=$$version DESTDIR= PREFIX=$(CURDIR)/.build/hosts || exit 1; done
	@$(MAKE) --no-print-directory -s core emulator
	@$(MAKE) --no-print-directory -s spec SPECS=spec/hosts

SUITE = trixie
ARCH = amd64
TARGET = test

.PHONY: test-in
test-in: ## run TARGET on another Debian, SUITE, or processor, ARCH, in .build/in; needs root; sets itself up
	@spec/support/test-in $(SUITE) $(ARCH) '$(TARGET)'

.PHONY: spec
spec: $(BUILD)/process.so $(BUILD)/sabotage.so $(BUILD)/old_libcurl.so $(BUILD)/tls_calls.so $(BUILD)/scanner.so ## what `make test` runs once all is set up; SPECS= names some files
	@$(RUN) BUILD=$(BUILD) LUA=$(LUA) $(PREFIXED) $(BUSTED) $(SPECS)

.PHONY: lint
lint: ## layers, widths, luacheck, and the C for all versions of Lua with warnings as errors
	spec/support/layers
	! awk 'length > 80 { print FILENAME ":" FNR ": over 80 columns"; found = 1 } \
	  END { exit !found }' $$(find src spec -name '*.[ch]')
	luacheck -q lua spec rockspec/*.rockspec rockspec/*/*.rockspec
	for version in 5.1 5.2 5.3 jit; do \
	  $(MAKE) --no-print-directory -s core emulator LUA_VERSION=$$version \
	    CFLAGS="$(CFLAGS) -Werror" || exit 1; done

.PHONY: asan
asan: setup-test ## run the specs under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory -s core emulator BUILD=$(BUILD)-asan \
	  HARDENING= CFLAGS="-O1 -g $(ASAN)"
	@$(MAKE) --no-print-directory -s spec BUILD=$(BUILD)-asan PREFIXED="env \
	  LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) \
	  SPEC_SLOW=4 LSAN_OPTIONS=suppressions=spec/support/lsan.supp:print_suppressions=0"

# It looks at the process of the specs alone, so those of other processes are left out.
.PHONY: valgrind
valgrind: setup-test ## run the specs under valgrind's memcheck
	@$(MAKE) --no-print-directory -s core emulator
	@$(MAKE) --no-print-directory -s spec SPECS="$(filter-out spec/cli/% $(patsubst %,spec/%_spec.lua, \
	  annotations hardening install memscan native),$(SPECS))" PREFIXED="env SPEC_SLOW=10 valgrind -q \
	  --suppressions=spec/support/valgrind.supp --error-exitcode=99 --leak-check=full \
	  --show-leak-kinds=definite --errors-for-leak-kinds=definite"

MEMSCAN_RUNS = 20

.PHONY: memscan
memscan: ## look for secrets that are left in memory, here and with other clients, MEMSCAN_RUNS times
	@spec/support/setup memscan $(LUA_VERSION)
	@$(MAKE) --no-print-directory -s core $(BUILD)/process.so $(BUILD)/scanner.so
	@$(MAKE) --no-print-directory -s core BUILD=$(BUILD)-gnutls \
	  CURL_LIBS=-l:libcurl-gnutls.so.4
	@$(RUN) BUILD=$(BUILD) LUA=$(LUA) $(LUA) spec/memscan/run.lua $(MEMSCAN_RUNS)

.PHONY: torture torture-short
torture: setup-test ## let every allocation and system call fail, also under the sanitizers
	@$(MAKE) --no-print-directory -s core emulator
	@SPEC_STRIDE=7 $(MAKE) --no-print-directory -s spec SPECS=spec/cli/memory_spec.lua
	@spec/torture/run long

torture-short: setup-test # the same in about a minute, with one in 40 of OpenSSL's allocations
	@spec/torture/run short

COVERAGE = .build/coverage

# Specs that fail do not keep the tables from being printed. hardening_spec.lua looks at the symbols
# of the modules, to which --coverage adds some.
.PHONY: coverage
coverage: ## print which lines of the C and of the Lua the specs run; SPECS= names some files
	@spec/support/setup coverage $(LUA_VERSION)
	@rm -rf $(COVERAGE)
	@mkdir -p $(COVERAGE)/lines
	@$(COMPILE) -c -o $(COVERAGE)/lines.o spec/coverage/lines.c
	@$(LINK) -Wl,--wrap=luaL_newstate -o $(COVERAGE)/lines.so $(COVERAGE)/lines.o
	@$(MAKE) --no-print-directory -s core emulator BUILD=$(COVERAGE) HARDENING= \
	  CFLAGS="-O0 -g --coverage" LDFLAGS="-Wl,--wrap=luaL_newstate $(COVERAGE)/lines.o"
	-@COVERAGE_LINES=$(CURDIR)/$(COVERAGE)/lines \
	  LUA_INIT_$(subst .,_,$(LUA_VERSION))="package.loadlib('$(CURDIR)/$(COVERAGE)/lines.so', 'luaopen_lines')()" \
	  $(MAKE) --no-print-directory -s spec BUILD=$(COVERAGE) SPEC_SLOW=2 \
	  SPECS="$(filter-out spec/hardening_spec.lua,$(SPECS))"
	@$(LUA) spec/coverage/report.lua $(COVERAGE)

FUZZ_SECONDS = 3600

.PHONY: fuzz fuzz-short
fuzz: ## fuzz what reads bytes from outside, FUZZ_SECONDS long
	@spec/support/setup fuzz $(LUA_VERSION)
	@spec/fuzz/run $(FUZZ_SECONDS)

fuzz-short: ## the same for a minute
	@$(MAKE) --no-print-directory -s fuzz FUZZ_SECONDS=60

.PHONY: doc
doc: ## write the API reference to .build/doc/index.html; sets itself up
	@spec/support/setup doc $(LUA_VERSION)
	@$(MAKE) --no-print-directory -s core emulator
	@rm -rf .build/doc
	@mkdir -p .build/doc/source
	@$(RUN) $(LUA) spec/doc/reference.lua .build/doc/source
	ldoc --fatalwarnings -c spec/doc/config.ld -d .build/doc .build/doc/source

BENCH = .build/bench
BENCH_PROGRAMS = $(addprefix $(BENCH)/,easy multi floor)
# A path that is set already may lead to Lua-cURL.
BENCH_RUN = \
  LUA_PATH="lua/?.lua;spec/bench/?.lua;spec/support/?.lua;$(if $(LUA_PATH),$(LUA_PATH););;" \
  LUA_CPATH="$(BUILD)/?.so;$(if $(LUA_CPATH),$(LUA_CPATH););;" BUILD=$(BUILD) LUA=$(LUA) $(LUA)

$(BENCH)/%: spec/bench/%.c spec/bench/contestant.c spec/bench/contestant.h Makefile
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $(filter %.c,$^) $(CURL_LIBS) -lssl -lcrypto

$(BUILD)/meter.so: spec/bench/meter.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(LINK:$(CC)%=%) -o $@ $<

.PHONY: bench bench-full bench-guard bench-profile bench-programs
bench: ## measure the speed beside that of others, in about five minutes; sets itself up
	@spec/support/setup bench $(LUA_VERSION)
	@$(MAKE) --no-print-directory -s bench-programs
	@$(BENCH_RUN) spec/bench/bench.lua short

bench-full: ## the same with more rounds, and with Python and Node
	@spec/support/setup bench-full $(LUA_VERSION)
	@$(MAKE) --no-print-directory -s bench-programs
	@$(BENCH_RUN) spec/bench/bench.lua full

bench-guard: ## check instructions, system calls and memory per call against their limits
	@spec/support/setup bench $(LUA_VERSION)
	@$(MAKE) --no-print-directory -s bench-programs
	@$(BENCH_RUN) spec/bench/guard.lua

bench-profile: ## show which part of a call takes how many instructions, beside C
	@spec/support/setup bench $(LUA_VERSION)
	@$(MAKE) --no-print-directory -s bench-programs
	@$(BENCH_RUN) spec/bench/profile.lua

bench-programs: core $(BUILD)/process.so $(BUILD)/meter.so $(BENCH_PROGRAMS)

.PHONY: clean
clean: ## remove what was built
	rm -rf .build

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 22
