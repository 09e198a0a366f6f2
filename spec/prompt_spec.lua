-- from_prompt, in programs on a terminal of their own. All that is typed as a secret holds the
-- marker, which no screen may show.

local child = require "child"
local environment = require "environment"
local process = require "process"
local secrets = require "bytenite.secrets"
local terminals = require "terminal"

local LUA = os.getenv("LUA") or "lua"
local MARK = "m4rk3d"
local KIB64 = 64 * 1024

-- What the scripts begin with. tell() shows what came of a prompt, a key by its length.
local BEGIN = [[
  local secrets = require "bytenite.secrets"
  local function tell(key, err)
    print(key and "got " .. #key or ("%s: %s"):format(err.kind, err.message))
    return key
  end
]]

local opened

local function open(...)
  local terminal = terminals.start(...)
  opened[#opened + 1] = terminal
  return terminal
end

local function run(script)
  return open(LUA, "-e", BEGIN .. script)
end

-- Types an answer; returns what the program tells of it.
local function answer(typed)
  local terminal = run [[
    tell(secrets.from_prompt "Key: ")
    io.read()
  ]]
  assert.equal("", terminal:expect "Key: ")
  assert.is_false(terminal:echoes())
  terminal:type(typed)
  assert.equal("", terminal:expect "\r\n") -- for the newline that was typed
  local told = terminal:expect "\r\n"
  assert.is_true(terminal:echoes())
  terminal:type "\n"
  assert.equal(0, (terminal:finish()))
  return told
end

describe("from_prompt", function()
  before_each(function()
    opened = {}
  end)

  after_each(function()
    for _, terminal in ipairs(opened) do
      terminal:stop()
      assert.is_nil(terminal.screen:find(MARK, 1, true), terminal.screen)
    end
  end)

  it("shows the text, and nothing of what is typed", function()
    local terminal = run [[
      local key = tell(secrets.from_prompt "Key for my-key: ")
      assert(key:equals "m4rk3d one")
      assert(tostring(key) == "SecretString(****)")
      io.read()
    ]]
    terminal:expect "Key for my-key: "
    assert.is_false(terminal:echoes())
    terminal:type(MARK .. " one\n")
    assert.equal("\r\n", terminal:expect "got 10\r\n")
    assert.is_true(terminal:echoes())
    terminal:type "seen again\n"
    terminal:expect "seen again"
    assert.equal(0, (terminal:finish()))
  end)

  it("leaves the newline out, and keeps all else", function()
    local terminal = run [[
      local key = assert(secrets.from_prompt "Key: ")
      print((key:expose():gsub(".", function(byte) return ("%02x "):format(byte:byte()) end)))
    ]]
    terminal:expect "Key: "
    terminal:type " a\tb\22\1\255 \n"
    terminal:expect "\r\n"
    assert.equal("20 61 09 62 16 01 ff 20 ", terminal:expect "\r\n")
    assert.equal(0, (terminal:finish()))
  end)

  it("lets a person correct the line", function()
    for _, typed in ipairs {
      "x\127key\n", "x\bkey\n", "nonsense\21key\n", "\127\127key\n", "keyß\127\n", "key€\127\r",
    } do
      local terminal = run [[
        print(secrets.from_prompt("Key: "):equals "key")
      ]]
      terminal:expect "Key: "
      terminal:type(typed)
      terminal:expect "true\r\n"
      assert.equal(0, (terminal:finish()))
    end
  end)

  it("drops what was typed before it asked", function()
    local terminal = run [[
      io.read()
      tell(secrets.from_prompt "Key: ")
    ]]
    terminal:type "go\nnobody knows what for"
    terminal:expect "Key: "
    terminal:type(MARK .. "\n")
    terminal:expect "got 6\r\n"
  end)

  it("takes up to 64 KiB, many times what a terminal takes as a line", function()
    local longest = MARK .. ("x"):rep(KIB64 - #MARK)
    assert.equal("got " .. KIB64, answer(longest .. "\n"))
    assert.equal("invalid: from_prompt: the prompt was answered with more than 64 KiB",
      answer(longest .. "x\n"))
  end)

  it("refuses an empty line", function()
    assert.equal("invalid: from_prompt: the prompt was answered with an empty line", answer "\n")
    assert.equal("invalid: from_prompt: the prompt was answered with an empty line",
      answer(MARK .. "\21\n"))
  end)

  it("refuses more than one line, and keeps them all from the shell", function()
    local terminal = open("sh", "-c", ([[%s -e '%s'; IFS= read -r next; echo "then: $next"]])
      :format(LUA, BEGIN .. 'tell(secrets.from_prompt "Key: ")'))
    terminal:expect "Key: "
    terminal:type((MARK .. "\n"):rep(5000))
    terminal:expect "invalid: from_prompt: the prompt was answered with more than one line"
    terminal:type "seen\n"
    terminal:expect "then: seen"
    assert.equal("got 6", answer(MARK .. "\n\n"))
  end)

  it("is cancelled by Ctrl-D on an empty line, and ended by it on another", function()
    assert.equal("cancelled: from_prompt: the prompt was ended without an answer", answer "\4")
    assert.equal("got 6", answer(MARK .. "\4"))
  end)

  it("asks on standard input where that is the only terminal", function()
    local terminal = open("setsid", "-w", LUA, "-e", BEGIN .. 'tell(secrets.from_prompt "Key: ")')
    terminal:expect "Key: "
    assert.is_false(terminal:echoes())
    terminal:type(MARK .. "\n")
    terminal:expect "got 6\r\n"
    local status, _, echoes = terminal:finish()
    assert.equal(0, status)
    assert.is_true(echoes)
  end)

  it("says when there is no terminal", function()
    local pid, fd = process.spawn("setsid", "-w", "sh", "-c", 'exec "$0" -e "$1" </dev/null', LUA,
      BEGIN .. 'tell(secrets.from_prompt "Key: ")')
    assert.equal("config: from_prompt: the prompt found no terminal to ask at\n",
      child.read_all(fd))
    assert.equal(0, process.wait(pid))
  end)

  it("says when its terminal goes away, and the program goes on", function()
    local path = os.tmpname()
    local terminal = open("sh", "-c", ([[trap '' HUP; exec %s -e '%s' >%s]]):format(LUA,
      BEGIN .. 'tell(secrets.from_prompt "Key: ")', path))
    terminal:expect "Key: "
    terminal:type(MARK)
    assert.equal(0, terminal:stop())
    local file = assert(io.open(path))
    local told = file:read("*a")
    file:close()
    os.remove(path)
    assert.equal("config: from_prompt: the prompt cannot use its terminal\n", told)
  end)

  it("raises for misuse", function()
    assert.has_error(function() secrets.from_prompt() end,
      "from_prompt: text: string expected, got nil")
    assert.has_error(function() secrets.from_prompt("Key: ", true) end,
      "from_prompt: too many arguments")
  end)
end)

describe("An interrupted from_prompt", function()
  before_each(function()
    opened = {}
  end)

  after_each(function()
    environment.restore()
    for _, terminal in ipairs(opened) do
      terminal:stop()
      assert.is_nil(terminal.screen:find(MARK, 1, true), terminal.screen)
    end
  end)

  -- A program that asks; the terminal then echoes nothing.
  local function ask(script)
    local terminal = run(script or 'tell(secrets.from_prompt "Key: ")')
    terminal:expect "Key: "
    assert.is_false(terminal:echoes())
    return terminal
  end

  it("raises in the interpreter lua, after the terminal is as before", function()
    local terminal = ask [[
      print(pcall(secrets.from_prompt, "Key: "))
      io.read()
    ]]
    terminal:type(MARK .. "\3")
    assert.equal("", terminal:expect "\r\n")
    assert.matches("^false\t.*interrupted!$", terminal:expect "\r\n")
    assert.is_true(terminal:echoes())
    terminal:type "\n"
    assert.equal(0, (terminal:finish()))
  end)

  it("returns an Error of kind cancelled where nothing raises", function()
    if rawget(_G, "jit") then return pending "LuaJIT interrupts coroutines as well" end
    -- The interpreter's handler interrupts the main thread alone.
    local terminal = ask [[
      coroutine.wrap(function()
        tell(secrets.from_prompt "Key: ")
        io.read()
      end)()
    ]]
    terminal:type(MARK .. "\3")
    terminal:expect "cancelled: from_prompt: the prompt was interrupted\r\n"
    assert.is_true(terminal:echoes())
  end)

  it("leaves the terminal as before when the signal ends the program", function()
    -- The interpreter handles the first SIGINT, and none after it.
    local terminal = ask [[
      pcall(secrets.from_prompt, "Key: ")
      secrets.from_prompt "Again: "
    ]]
    terminal:type(MARK .. "\3")
    terminal:expect "Again: "
    assert.is_false(terminal:echoes())
    terminal:type(MARK .. "\3")
    local status, _, echoes = terminal:finish()
    assert.equal(-2, status)
    assert.is_true(echoes)
    for _, number in ipairs { 1, 15 } do -- SIGHUP and SIGTERM
      terminal = ask()
      process.kill(terminal.pid, number)
      status, _, echoes = terminal:finish()
      assert.equal(-number, status)
      assert.is_true(echoes)
    end
  end)

  it("goes on when the signal is ignored", function()
    local terminal = open("sh", "-c", ([[trap '' TERM; exec %s -e '%s']]):format(LUA,
      BEGIN .. 'tell(secrets.from_prompt "Key: ")'))
    terminal:expect "Key: "
    process.kill(terminal.pid, 15)
    assert.is_false(process.ready(terminal.fd, 0.3))
    terminal:type(MARK .. "\n")
    terminal:expect "got 6\r\n"
  end)

  -- A shell with job control, which shows the terminal's state once the program was stopped.
  local function under_shell(commands)
    environment.set { SPEC_SCRIPT = BEGIN .. 'tell(secrets.from_prompt "Key: ")' }
    return open("bash", "-mc", commands:gsub("ASK", LUA .. ' -e "$SPEC_SCRIPT"'))
  end

  it("leaves the terminal as before when it is stopped, and asks again when continued", function()
    local terminal = under_shell "ASK; echo stopped; read next; fg"
    terminal:expect "Key: "
    assert.is_false(terminal:echoes())
    terminal:type(MARK .. "\26")
    terminal:expect "stopped"
    assert.is_true(terminal:echoes())
    terminal:type "\n"
    terminal:expect "Key: "
    assert.is_false(terminal:echoes())
    terminal:type(MARK .. "\n")
    terminal:expect "got 6\r\n"
    assert.is_true(terminal:echoes())
    assert.equal(0, (terminal:finish()))
  end)

  it("can be ended while it waits in the background", function()
    local terminal = under_shell
      "ASK & sleep 0.5; kill %1; kill -CONT %1; wait %1; echo ended with $?"
    terminal:expect("ended with " .. 128 + 15)
    assert.equal(0, (terminal:finish()))
  end)

  it("waits in the background until it is called to the foreground", function()
    local terminal = under_shell "ASK & sleep 0.5; echo waits; read next; fg"
    assert.is_nil(terminal:expect("waits"):find "Key")
    assert.is_true(terminal:echoes())
    terminal:type "\n"
    terminal:expect "Key: "
    terminal:type(MARK .. "\n")
    terminal:expect "got 6\r\n"
    assert.equal(0, (terminal:finish()))
  end)
end)
