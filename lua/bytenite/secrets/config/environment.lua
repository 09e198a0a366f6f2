-- Environment variables.

local core = require "bytenite.secrets.core"

local environment = {}

---Whether a variable has a value, which does not become a Lua string by this.
---@param name string
---@return boolean
environment.is_set = core.is_set

---The value of a variable; an empty one counts as unset.
---@param name string
---@return string?
function environment.get(name)
  local value = os.getenv(name)
  if value ~= "" then return value end
end

return environment
