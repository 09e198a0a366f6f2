local cjson = require "cjson"
local compile = require "compile"
local core = require "bytenite.secrets.core"
local environment = require "environment"
local process = require "process"
local secrets = require "bytenite.secrets"

local KIB64 = 64 * 1024

local places

-- A path that is removed after the test.
local function new_path()
  local path = os.tmpname()
  places[#places + 1] = path
  return path
end

local function file_with(text, mode)
  local path = new_path()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  assert(os.execute(("chmod %s %s"):format(mode or "600", path)))
  return path
end

local function refused(kind, pattern, secret, err)
  assert.is_nil(secret)
  assert.equal(kind, err.kind)
  assert.matches(pattern, err.message)
end

local function raises(pattern, called, ...)
  local ok, message = pcall(called, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(message))
end

describe("SecretString", function()
  before_each(function()
    places = {}
    environment.clear()
  end)

  after_each(function()
    environment.restore()
    for _, path in ipairs(places) do
      os.remove(path)
    end
  end)

  describe("from_string", function()
    it("keeps the bytes as they are", function()
      for _, text in ipairs { "k", "line\n", "a\0b\0", "\255\254", " k ", "" } do
        assert.equal(text, secrets.from_string(text):expose())
      end
    end)

    it("takes up to 64 KiB", function()
      local longest = ("x"):rep(KIB64)
      assert.equal(longest, secrets.from_string(longest):expose())
      refused("invalid", "the string is longer than 64 KiB", secrets.from_string(longest .. "x"))
    end)

    it("raises for anything but a string", function()
      raises("from_string: s: string expected, got nil", secrets.from_string)
      raises("from_string: s: string expected, got number", secrets.from_string, 1)
      raises("from_string: s: string expected, got SecretString", secrets.from_string,
        secrets.from_string "x")
      raises("from_string: too many arguments", secrets.from_string, "a", "b")
    end)
  end)

  describe("from_file", function()
    it("reads a file verbatim", function()
      for _, text in ipairs { "key", "key\n", "a\0b\r\n", "\255" } do
        assert.equal(text, secrets.from_file(file_with(text)):expose())
      end
    end)

    it("reads up to 64 KiB", function()
      local longest = ("x"):rep(KIB64)
      assert.equal(longest, secrets.from_file(file_with(longest)):expose())
      refused("config", "is longer than 64 KiB", secrets.from_file(file_with(longest .. "x")))
    end)

    it("refuses a file that others can read, and tells its mode", function()
      for _, mode in ipairs { "0644", "0640", "0604", "0610", "0602" } do
        local path = file_with("key", mode)
        refused("config", path .. " can be read by others %(mode " .. mode .. "%)",
          secrets.from_file(path))
        refused("config", "can be read by others", secrets.from_file(path, { shared = false }))
        assert.equal("chmod 600, or pass shared = true", select(2, secrets.from_file(path)).hint)
      end
    end)

    it("reads such a file when told that it is shared", function()
      local path = file_with("key", "0644")
      assert.equal("key", secrets.from_file(path, { shared = true }):expose())
    end)

    it("accepts files that only their owner can reach", function()
      for _, mode in ipairs { "0400", "0600", "0700" } do
        assert.equal("key", secrets.from_file(file_with("key", mode)):expose())
      end
    end)

    it("follows symbolic links", function()
      local link = new_path()
      assert(os.execute(("ln -sf %s %s"):format(file_with "key", link)))
      assert.equal("key", secrets.from_file(link):expose())
    end)

    it("refuses what is no regular file, and does not wait for it", function()
      local fifo = new_path()
      os.remove(fifo)
      assert(os.execute("mkfifo -m 600 " .. fifo))
      refused("config", fifo .. " is not a regular file", secrets.from_file(fifo))
      refused("config", "/tmp is not a regular file", secrets.from_file("/tmp", { shared = true }))
      refused("config", "/dev/null is not a regular file",
        secrets.from_file("/dev/null", { shared = true }))
    end)

    it("refuses what is missing, empty or out of reach, and names it", function()
      refused("config", "^from_file: /no/file does not exist", secrets.from_file "/no/file")
      refused("config", "/etc/passwd/x cannot be opened", secrets.from_file "/etc/passwd/x")
      refused("config", "is empty", secrets.from_file(file_with ""))
      refused("config", "does not exist", secrets.from_file "")
    end)

    it("does not take a path for what stands before its zero byte", function()
      refused("config", "path holds a zero byte", secrets.from_file(file_with "key" .. "\0.txt"))
    end)

    it("raises for misuse, and names it", function()
      raises("from_file: path: string expected, got nil", secrets.from_file)
      raises("from_file: options: table expected, got boolean", secrets.from_file, "x", true)
      raises('from_file: unknown option "share" %(there are shared%)', secrets.from_file, "x",
        { share = true })
      raises("from_file: option shared: boolean expected, got string", secrets.from_file, "x",
        { shared = "yes" })
      raises("from_file: too many arguments", secrets.from_file, "x", {}, 1)
    end)
  end)

  describe("from_env", function()
    it("reads a variable verbatim and leaves it", function()
      environment.set { SPEC_KEY = " key\n" }
      assert.equal(" key\n", secrets.from_env("SPEC_KEY"):expose())
      assert.equal(" key\n", os.getenv "SPEC_KEY")
    end)

    it("removes the variable when told so", function()
      environment.set { SPEC_KEY = "key" }
      assert.equal("key", secrets.from_env("SPEC_KEY", { unset = true }):expose())
      assert.is_nil(os.getenv "SPEC_KEY")
    end)

    it("refuses a variable that is not set or empty, and names it", function()
      environment.set { SPEC_KEY = false }
      refused("config", "^from_env: SPEC_KEY is not set", secrets.from_env "SPEC_KEY")
      environment.set { SPEC_KEY = "" }
      refused("config", "SPEC_KEY is not set", secrets.from_env "SPEC_KEY")
      refused("config", "is not set", secrets.from_env "")
      environment.set { SPEC_KEY = "key" }
      refused("config", "name holds a zero byte", secrets.from_env "SPEC_KEY\0X")
    end)

    it("reads up to 64 KiB, and leaves a longer variable where it is", function()
      environment.set { SPEC_KEY = ("x"):rep(KIB64) }
      assert.equal(KIB64, #secrets.from_env "SPEC_KEY")
      environment.set { SPEC_KEY = ("x"):rep(KIB64 + 1) }
      refused("config", "is longer than 64 KiB", secrets.from_env("SPEC_KEY", { unset = true }))
      assert.equal(KIB64 + 1, #os.getenv "SPEC_KEY")
    end)

    it("raises for misuse, and names it", function()
      raises("from_env: name: string expected, got nil", secrets.from_env)
      raises('from_env: unknown option "shared"', secrets.from_env, "X", { shared = true })
      raises("from_env: option unset: boolean expected, got number", secrets.from_env, "X",
        { unset = 1 })
      raises("from_env: too many arguments", secrets.from_env, "X", {}, 1)
    end)
  end)

  describe("from_fd", function()
    local function pipe_with(text)
      local to_read, to_write = process.pipe()
      process.write(to_write, text)
      process.close(to_write)
      return to_read
    end

    it("reads a descriptor to its end and leaves it open", function()
      local fd = pipe_with "key\n\0"
      assert.equal("key\n\0", secrets.from_fd(fd):expose())
      assert.equal("", process.read(fd))
      process.close(fd)
    end)

    it("reads up to 64 KiB", function()
      for _, extra in ipairs { 0, 1 } do
        local file = assert(io.open(file_with(("x"):rep(KIB64 + extra))))
        file:close()
        local path = places[#places]
        local _, fd = process.spawn("cat", path)
        local secret, err = secrets.from_fd(fd)
        process.close(fd)
        if extra == 0 then
          assert.equal(KIB64, #secret)
        else
          refused("config", "is longer than 64 KiB", secret, err)
        end
      end
    end)

    it("refuses a descriptor that is closed or empty, and names it", function()
      local fd = pipe_with ""
      refused("config", ("^from_fd: descriptor %d is empty"):format(fd), secrets.from_fd(fd))
      process.close(fd)
      refused("config", "^from_fd: descriptor 9999 cannot be read", secrets.from_fd(9999))
    end)

    it("raises for misuse, and names it", function()
      for _, value in ipairs { "0", -1, 0.5, 2 ^ 31, {} } do
        raises("from_fd: fd: a whole number from 0 to 2147483647 expected", secrets.from_fd, value)
      end
      raises("from_fd: fd: ", secrets.from_fd)
      raises("from_fd: too many arguments", secrets.from_fd, 0, 1)
    end)
  end)

  describe("the value", function()
    local key

    before_each(function()
      key = secrets.from_string "hunter2-hunter2"
    end)

    it("shows a mask wherever it is made text", function()
      assert.equal("SecretString(****)", tostring(key))
      assert.equal("<SecretString(****)>", ("<%s>"):format(tostring(key)))
      assert.equal(tostring(key), tostring(secrets.from_string "another length"))
    end)

    if _VERSION ~= "Lua 5.1" then
      it("shows the mask in string.format too", function()
        assert.equal("<SecretString(****)>", ("<%s>"):format(key))
      end)

      it("raises in string.format for any other directive", function()
        for _, directive in ipairs { "%q", "%d", "%x", "%c", "%f" } do
          raises("bad argument", string.format, directive, key)
        end
      end)
    end

    it("raises where text would be joined", function()
      local message = "a SecretString cannot be concatenated; s:expose%(%) gives the string"
      raises(message, function() return "key: " .. key end)
      raises(message, function() return key .. "\n" end)
      raises(message, function() return key .. key end)
      raises("table", table.concat, { key })
    end)

    it("raises where JSON is made of it", function()
      raises("userdata", cjson.encode, { key = key })
      local text, problem = core.encode { key = key }
      assert.is_nil(text)
      assert.matches("value%.key is of a type that JSON does not have", problem)
    end)

    it("hides its metatable", function()
      assert.is_false(getmetatable(key))
      raises("bad argument #1", setmetatable, key, {})
    end)

    it("tells its length", function()
      assert.equal(15, #key)
      assert.equal(0, #secrets.from_string "")
    end)

    it("equals a string or a SecretString of the same bytes", function()
      assert.is_true(key:equals "hunter2-hunter2")
      assert.is_true(key:equals(secrets.from_string "hunter2-hunter2"))
      assert.is_true(key:equals(key))
      assert.is_false(key:equals "hunter2-hunter3")
      assert.is_false(key:equals "hunter2-hunter2\0")
      assert.is_false(key:equals "hunter2")
      assert.is_false(key:equals "")
      assert.is_false(key:equals(secrets.from_string "other"))
      assert.is_true(secrets.from_string(""):equals "")
    end)

    it("raises when it is compared with what cannot be equal", function()
      raises("string or SecretString expected", key.equals, key, 15)
      raises("string or SecretString expected", key.equals, key)
    end)

    it("compares by == with another SecretString", function()
      assert.is_true(key == secrets.from_string "hunter2-hunter2")
      assert.is_false(key == secrets.from_string "hunter2-hunter3")
      assert.is_false(key == "hunter2-hunter2")
      assert.is_false(key == io.stdout)
    end)

    it("raises when a method is called with a dot", function()
      raises("SecretString expected", key.expose)
      raises("SecretString expected", key.wipe, "x")
    end)

    it("is gone when it was wiped", function()
      key:wipe()
      key:wipe()
      assert.equal(0, #key)
      assert.equal("SecretString(****)", tostring(key))
      assert.is_false(key:equals "hunter2-hunter2")
      assert.is_false(key:equals "")
      assert.is_false(key == secrets.from_string "")
      raises("expose: this SecretString was wiped", key.expose, key)
    end)

    it("is read in a forked child, and locked in memory there as well", function()
      if not secrets.info().memory_lock or (os.getenv("LD_PRELOAD") or ""):find "asan" then
        return pending "memory cannot be locked here"
      end
      local function locked()
        for line in io.lines("/proc/self/status") do
          local size = line:match "^VmLck:%s*(%d+)"
          if size then return tonumber(size) end
        end
      end
      assert.is_true(locked() > 0)
      local pid = process.fork()
      if pid == 0 then
        local before = locked()
        local same = key:equals "hunter2-hunter2"
        process.exit(before == 0 and same and locked() > 0 and 0 or 1)
      end
      assert.equal(0, process.wait(pid))
    end)

    it("is wiped by <close>", function()
      local chunk = compile("local key <close> = ... return #key")
      if not chunk then return pending "this Lua has no <close>" end
      assert.equal(15, chunk(key))
      assert.equal(0, #key)
    end)
  end)

  describe("injected", function()
    it("gives the pair that a job finds for a secret", function()
      environment.set { my_key_ACCESS_KEY = "AKIA", my_key_SECRET_KEY = "key\n" }
      local found = assert(secrets.injected("my_key", "s3"))
      assert.equal("AKIA", found.accessKey)
      assert.equal("key\n", found.secretKey:expose())
      assert.equal("SecretString(****)", tostring(found.secretKey))
    end)

    it("gives the key alone where there is no access key, or an empty one", function()
      for _, access_key in ipairs { false, "" } do
        environment.set { my_key_ACCESS_KEY = access_key, my_key_SECRET_KEY = "key" }
        local found = assert(secrets.injected("my_key", "gcp"))
        assert.is_nil(found.accessKey)
        assert.equal("key", found.secretKey:expose())
      end
    end)

    it("gives the key of type other, which stands under the id itself", function()
      environment.set { my_key = "the key", my_key_SECRET_KEY = "x", my_key_ACCESS_KEY = "y" }
      local found = assert(secrets.injected("my_key", "other"))
      assert.is_nil(found.accessKey)
      assert.equal("the key", found.secretKey:expose())
    end)

    it("looks for both forms when it is not told the type", function()
      environment.set { my_key = "alone", my_key_SECRET_KEY = false }
      assert.equal("alone", secrets.injected("my_key").secretKey:expose())
      environment.set { my_key_SECRET_KEY = "of a pair" }
      assert.equal("of a pair", secrets.injected("my_key").secretKey:expose())
    end)

    it("leaves the variables", function()
      environment.set { my_key_SECRET_KEY = "key" }
      assert(secrets.injected "my_key")
      assert.equal("key", os.getenv "my_key_SECRET_KEY")
    end)

    it("names the variables that it did not find", function()
      environment.set { my_key = false, my_key_SECRET_KEY = "" }
      refused("config", "^injected: my_key_SECRET_KEY or my_key is not set",
        secrets.injected "my_key")
      refused("config", "^injected: my_key_SECRET_KEY is not set",
        secrets.injected("my_key", "s3"))
      refused("config", "^injected: my_key is not set", secrets.injected("my_key", "other"))
    end)

    it("refuses an id that no secret can have", function()
      refused("invalid", "id is empty", secrets.injected "")
      refused("invalid", "id holds a control character", secrets.injected "HOME\0")
    end)

    it("raises for misuse, and names it", function()
      raises("injected: id: string expected, got nil", secrets.injected)
      raises("injected: secretType: string expected, got table", secrets.injected, "x", {})
      raises("injected: too many arguments", secrets.injected, "x", "s3", 1)
    end)
  end)
end)
