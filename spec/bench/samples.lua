-- What was measured, by name and round.

local Samples = {}
Samples.__index = Samples

function Samples.new()
  return setmetatable({ of = {} }, Samples)
end

---@param name string
---@param value number of the next round
function Samples:add(name, value)
  self.of[name] = self.of[name] or {}
  table.insert(self.of[name], value)
end

local function summary(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) / 2
  return {
    min = sorted[1],
    median = (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2,
    max = sorted[#sorted],
  }
end

---@return { min: number, median: number, max: number }? nil when there are no samples
function Samples:summary(name)
  return self.of[name] and summary(self.of[name])
end

---@return { min: number, median: number, max: number }? of one name's values over another's,
--- each with its partner of the same round; nil when one of them was not measured
function Samples:ratio(name, other)
  local values, others = self.of[name], self.of[other]
  if not values or not others then return nil end
  local ratios = {}
  for round, value in ipairs(values) do
    ratios[round] = value / others[round]
  end
  return summary(ratios)
end

return Samples
