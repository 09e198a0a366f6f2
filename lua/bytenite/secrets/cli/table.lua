-- Aligned columns that fit the terminal.

local output = require "bytenite.secrets.cli.output"
local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"

local GAP = 2

local NARROW = 8 -- columns that the lesser ones keep as long as the others can be shown whole

---@class bytenite.secrets.cli.Column
---@field title string
---@field lesser boolean? cut before the others

local function widths_of(columns, rows)
  local widths = {}
  for index, column in ipairs(columns) do
    widths[index] = #column.title
    for _, row in ipairs(rows) do
      widths[index] = math.max(widths[index], text.width(row[index]))
    end
  end
  return widths
end

-- Takes what is too much from the widest columns.
local function shrink(widths, available, least, may_be_cut)
  local excess = GAP * (#widths - 1) - available
  for _, width in ipairs(widths) do
    excess = excess + width
  end
  for _ = 1, excess do
    local widest
    for index, width in ipairs(widths) do
      if may_be_cut(index) and width > (widest and widths[widest] or least) then widest = index end
    end
    if not widest then return end
    widths[widest] = widths[widest] - 1
  end
end

local function fit(widths, available, columns)
  shrink(widths, available, NARROW, function(index)
    return columns[index].lesser
  end)
  shrink(widths, available, 1, function()
    return true
  end)
end

local function line_of(cells, widths, colour)
  local pieces, gap = {}, 0
  for index, cell in ipairs(cells) do
    cell = text.cut(cell, widths[index])
    local width = text.width(cell)
    if width > 0 then
      if terminal.is(terminal.STDOUT) then cell = text.isolate(cell) end
      if index == #cells then cell = terminal.paint(cell, colour, terminal.STDOUT) end
      pieces[#pieces + 1] = (" "):rep(gap) .. cell
      gap = 0
    end
    gap = gap + widths[index] - width + GAP
  end
  return table.concat(pieces)
end

---Writes rows below the titles of their columns. On a terminal, what is too wide is cut.
---@param columns bytenite.secrets.cli.Column[]
---@param rows table[] arrays of strings; `colour` is that of the last one
return function(columns, rows)
  local titles = {}
  for index, column in ipairs(columns) do
    titles[index] = column.title
  end
  for _, row in ipairs(rows) do
    for index, cell in ipairs(row) do
      row[index] = text.clean(cell)
    end
  end
  local widths = widths_of(columns, rows)
  local available = terminal.width(terminal.STDOUT)
  if available then fit(widths, available, columns) end
  output.line(line_of(titles, widths))
  for _, row in ipairs(rows) do
    output.line(line_of(row, widths, row.colour))
  end
end
