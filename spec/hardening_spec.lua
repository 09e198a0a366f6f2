-- How the C modules are linked, which decides what a flaw in them, or in their host, can lead to.

local shell = require "shell"

local BUILD = os.getenv "BUILD" or ".build"

local MODULES = {
  {
    name = "bytenite.secrets.core", path = "/bytenite/secrets/core.so",
    checked = "U __snprintf_chk", -- of -D_FORTIFY_SOURCE
  },
  { name = "bytenite.secrets.emulator.server", path = "/bytenite/secrets/emulator/server.so" },
}

for _, module in ipairs(MODULES) do
  -- What a tool of binutils writes about the module.
  local function look(tool)
    return (shell(tool .. " " .. BUILD .. module.path))
  end

  describe("the shared object of " .. module.name, function()
    it("exports what require looks up, and nothing else", function()
      local exported = {}
      for name in look("nm -D --defined-only"):gmatch("%x+ %a ([%w_]+)\n") do
        exported[#exported + 1] = name
      end
      assert.same({ "luaopen_" .. module.name:gsub("%.", "_") }, exported)
    end)

    it("brings no Lua of its own", function()
      local dynamic = look("readelf -dW")
      assert.matches("NEEDED.-%[libc%.so", dynamic)
      assert.not_matches("NEEDED[^\n]*lua", dynamic)
    end)

    it("stays loaded when its Lua state is closed, for threads of libcurl may still run", function()
      assert.matches("FLAGS_1[^\n]*NODELETE", look("readelf -dW"))
    end)

    it("is bound when it is loaded, and what it is bound by cannot be written later", function()
      assert.matches("FLAGS_1[^\n]*NOW", look("readelf -dW"))
      assert.matches("GNU_RELRO", look("readelf -lW"))
    end)

    it("has no memory that can be written and executed", function()
      local segments = look("readelf -lW")
      assert.matches("GNU_STACK[^\n]*RW ", segments)
      assert.not_matches("RWE", segments)
      assert.not_matches("TEXTREL", look("readelf -dW"))
    end)

    it("guards its stack and what is written with a length", function()
      if BUILD:find("-asan", 1, true) then return pending "the sanitizers do that here" end
      local imported = look("nm -D --undefined-only")
      assert.matches("U __stack_chk_fail", imported)
      assert.matches(module.checked or "", imported)
    end)
  end)
end
