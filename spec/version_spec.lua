-- What has to be kept in step by hand: the version, and the lists of files.

local annotations = require "annotations"
local compile = require "compile"
local read = require "read"
local secrets = require "bytenite.secrets"

local LUA_VERSION = (os.getenv "LUA" or "lua5.4"):match "lua(.+)$"

-- The lines that a shell command writes.
local function lines_of(command)
  local lines = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

local function rockspecs()
  return lines_of "ls rockspec/*.rockspec rockspec/*/*.rockspec"
end

-- The fields that a rockspec sets.
local function load_rockspec(path)
  local fields = {}
  assert(compile(read(path), "=" .. path, fields))()
  return fields
end

-- The text above the versions in CHANGELOG.md, and its headings with how many entries each has.
local function read_changelog()
  local intro, headings = {}, {}
  for line in read("CHANGELOG.md"):gmatch("[^\n]+") do
    local name = line:match("^## (.+)$")
    if name then
      headings[#headings + 1] = { name = name, entries = 0 }
    elseif #headings == 0 then
      intro[#intro + 1] = line
    elseif line:find("^%- ") then
      headings[#headings].entries = headings[#headings].entries + 1
    end
  end
  return table.concat(intro, "\n"), headings
end

-- The headings that are versions, newest first.
local function versions_in_changelog()
  local _, headings = read_changelog()
  local versions = {}
  for position, heading in ipairs(headings) do
    if position > 1 or heading.name ~= "Unreleased" then versions[#versions + 1] = heading.name end
  end
  return versions
end

describe("the version", function()
  it("is that of src/version.h", function()
    assert.equal(read("src/version.h"):match('BYTENITE_VERSION "([^"]+)"'), secrets._VERSION)
  end)

  it("is the newest one in CHANGELOG.md", function()
    assert.equal(secrets._VERSION, versions_in_changelog()[1])
  end)

  it("is that of every rockspec, in its name and in its text", function()
    local names = {}
    for _, path in ipairs(rockspecs()) do
      local rock = load_rockspec(path)
      names[rock.package] = true
      local version, revision = rock.version:match("^(.+)%-(%d+)$")
      assert.equal(secrets._VERSION, version, path)
      assert.equal(("%s-%s-%s.rockspec"):format(rock.package, version, revision),
        path:match("[^/]+$"))
      local source = rock.source.tag or rock.source.url
      assert.truthy(source:find(secrets._VERSION, 1, true), source)
    end
    assert.same({ ["bytenite-secrets"] = true, ["bytenite-secrets-emulator"] = true }, names)
  end)

  it("is the one of the core that the emulator's rock asks for", function()
    local wanted = {}
    for _, path in ipairs(rockspecs()) do
      for _, dependency in ipairs(load_rockspec(path).dependencies) do
        wanted[#wanted + 1] = dependency:match("^bytenite%-secrets%s*==%s*(%S+)$")
      end
    end
    assert.same({ secrets._VERSION }, wanted)
  end)
end)

describe("CHANGELOG.md", function()
  it("has only versions below what is unreleased, newest first", function()
    local before = math.huge
    for _, version in ipairs(versions_in_changelog()) do
      local major, minor, patch = version:match("^(%d+)%.(%d+)%.(%d+)$")
      assert.truthy(patch, version)
      local rank = (major * 1000 + minor) * 1000 + patch
      assert.truthy(rank < before, version)
      before = rank
    end
  end)

  it("has entries below every heading", function()
    local _, headings = read_changelog()
    assert.truthy(#headings > 0)
    for _, heading in ipairs(headings) do
      assert.truthy(heading.entries > 0, heading.name)
    end
  end)

  it("names exactly the public modules", function()
    local public, named = {}, {}
    for _, group in ipairs(annotations.public()) do
      public[group.module] = true
    end
    for name in read_changelog():gmatch("`(bytenite%.secrets[%w.]*)`") do
      named[name] = true
    end
    assert.same(public, named)
  end)
end)

describe("the core's rock", function()
  local rock

  before_each(function()
    for _, path in ipairs(rockspecs()) do
      local fields = load_rockspec(path)
      if fields.package == "bytenite-secrets" then rock = fields end
    end
  end)

  -- What a rock of type make installs.
  local function installed_by_make(target)
    local place = lines_of("mktemp -d")[1]
    local status = lines_of(("unset LD_PRELOAD MAKEFLAGS; make -s %s LUA_VERSION=%s LUADIR=/lua "
      .. "LIBDIR=/lib DESTDIR=%s >/dev/null; echo $?"):format(target, LUA_VERSION, place))[1]
    local files = lines_of(("cd %s/lua && find . -name '*.lua'"):format(place))
    os.execute("rm -rf " .. place)
    assert.equal("0", status)
    return files
  end

  it("holds every file under lua/", function()
    assert.equal("make", rock.build.type)
    local files = installed_by_make(rock.build.install_target)
    local wanted = lines_of "cd lua && find . -name '*.lua'"
    table.sort(files)
    table.sort(wanted)
    assert.truthy(#wanted > 5)
    assert.same(wanted, files)
  end)
end)
