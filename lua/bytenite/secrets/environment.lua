-- Environment variables.

local environment = {}

---The value of a variable; an empty one counts as unset.
---@param name string
---@return string?
function environment.get(name)
  local value = os.getenv(name)
  if value ~= "" then return value end
end

return environment
