-- The ways to install: each puts a module somewhere that a plain Lua then finds.

local LUA = os.getenv "LUA"
local ABI = _VERSION:match "%d%.%d"

-- Runs a shell command; returns whether it succeeded and what it wrote. What the specs themselves
-- run under is not for the compiler.
local function shell(command)
  local pipe = assert(io.popen(("unset LD_PRELOAD MAKEFLAGS; ( %s ) 2>&1; echo \"exit $?\"")
    :format(command), "r"))
  local output = pipe:read("*a")
  pipe:close()
  return output:match "exit (%d+)\n$" == "0", output
end

local function must(command)
  local ok, output = shell(command)
  assert(ok, output)
  return output
end

describe("installing", function()
  local place

  before_each(function()
    place = must("mktemp -d"):match "[^\n]+"
  end)

  after_each(function()
    must("rm -rf " .. place)
  end)

  -- Requires a module in a fresh process that finds it only under `tree`.
  local function require_from(tree, module)
    return shell(("env LUA_PATH='%s/share/lua/%s/?.lua;;' LUA_CPATH='%s/lib/lua/%s/?.so;;' %s -e '"
      .. "print(require(\"%s\"))'"):format(tree, ABI, tree, ABI, LUA, module))
  end

  it("with make puts everything under PREFIX, below DESTDIR", function()
    must(("make -s install LUA_VERSION=%s PREFIX=/no/such DESTDIR=%s"):format(ABI, place))
    for _, module in ipairs { "bytenite.secrets", "bytenite.secrets.emulator" } do
      local ok, output = require_from(place .. "/no/such", module)
      assert(ok, output)
    end
    -- Nothing stands elsewhere, and what stands there does not say where it was put together.
    assert.equal("exit 0\n",
      must("ls -A /no 2>/dev/null; ls -A " .. place .. " | grep -vx no; true"))
    assert.equal("exit 1\n", select(2, shell("grep -r " .. place .. " " .. place)))
    assert.matches("/no/such/share/lua", must("cat " .. place .. "/no/such/bin/bytenite-secrets"))
  end)

  it("with make needs no make before it, also for the emulator", function()
    local steps = must(("make -n install LUA_VERSION=%s BUILD=%s/build"):format(ABI, place))
    assert.matches("/bytenite/secrets/core%.so\n", steps)
    assert.matches("/bytenite/secrets/emulator/server%.so\n", steps)
  end)

  it("with make puts the command where it finds its modules", function()
    must(("make -s install LUA_VERSION=%s PREFIX=%s"):format(ABI, place))
    local output = must(("cd /; env -u LUA_PATH -u LUA_CPATH %s/bin/bytenite-secrets version")
      :format(place))
    assert.matches("^bytenite%-secrets %d", output)
  end)

  it("gives a command that loads nothing from the directory in which it runs", function()
    must(("make -s install LUA_VERSION=%s PREFIX=%s"):format(ABI, place))
    must(("mkdir -p %s/work/bytenite/secrets/emulator"):format(place))
    for _, name in ipairs { "cjson", "argparse", "bytenite/secrets", "bytenite/secrets/core",
      "bytenite/secrets/emulator/server" } do
      must(("echo 'os.exit(66)' >%s/work/%s.lua"):format(place, name))
    end
    must(("cd %s/work; env -u LUA_PATH -u LUA_CPATH %s/bin/bytenite-secrets version")
      :format(place, place))
    local _, output = shell(("cd %s/work; env -u LUA_PATH -u LUA_CPATH timeout 3 "
      .. "%s/bin/bytenite-secrets emulator"):format(place, place))
    assert.matches("export BYTENITE_BASE_URL=.*exit 124\n$", output)
  end)

  it("without the emulator's server leaves a message that says what to install", function()
    must(("make -s install-core LUA_VERSION=%s PREFIX=%s"):format(ABI, place))
    local ok, output = require_from(place, "bytenite.secrets")
    assert(ok, output)
    ok, output = require_from(place, "bytenite.secrets.emulator")
    assert.is_false(ok)
    assert.matches("install the rock bytenite%-secrets%-emulator", output)
  end)

  it("with LuaRocks puts the core's rock and the emulator's into a tree", function()
    local make = ("luarocks --lua-version=%s make --deps-mode=none --tree=%s "):format(ABI, place)
    must(make)
    local ok, output = require_from(place, "bytenite.secrets")
    assert(ok, output)
    local output_of_command = must(("cd /; eval $(luarocks --lua-version=%s --tree=%s path); "
      .. "%s/bin/bytenite-secrets version"):format(ABI, place, place))
    assert.matches("^bytenite%-secrets %d", output_of_command)
    must(make .. "rockspec/emulator/*.rockspec")
    ok, output = require_from(place, "bytenite.secrets.emulator")
    assert(ok, output)
  end)

  describe("from an archive", function()
    local dist, other

    before_each(function()
      if not shell "git rev-parse HEAD" then return end
      dist, other = place .. "/dist", place .. "/other"
      must("make -s dist DIST=" .. dist)
    end)

    it("works without a network", function()
      if not dist then return pending "this is no clone of the repository" end
      for _, rock in ipairs { "bytenite-secrets", "bytenite-secrets-emulator" } do
        must(("cd %s && env http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 luarocks "
          .. "--lua-version=%s build --deps-mode=none --tree=%s %s-*.rockspec")
          :format(dist, ABI, place, rock .. "-" .. require("bytenite.secrets")._VERSION))
      end
      local ok, output = require_from(place, "bytenite.secrets.emulator")
      assert(ok, output)
    end)

    it("comes out the same each time, wherever and by whomever it is made", function()
      if not dist then return pending "this is no clone of the repository" end
      must(("sleep 1; git clone -q . %s/clone"):format(place))
      must(("cd %s/clone; umask 077; TZ=Asia/Tokyo LC_ALL=C.UTF-8 make -s dist DIST=%s")
        :format(place, other))
      must(("diff -r %s %s"):format(dist, other))
    end)

    it("holds the last commit, and nothing that is not committed", function()
      if not dist then return pending "this is no clone of the repository" end
      must(("git clone -q . %s/clone"):format(place))
      must(("cd %s/clone; for file in new $(git ls-files '*.rockspec'); do echo >>$file; done; "
        .. "make -s dist DIST=%s"):format(place, other))
      must(("diff -r %s %s"):format(dist, other))
    end)
  end)
end)
