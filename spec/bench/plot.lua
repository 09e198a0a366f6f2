-- Draws results.json as an SVG, by gnuplot.

local dkjson = require "dkjson"

local SCRIPT = [[
set terminal svg size 1000,420 font "sans-serif,13" background "white" noenhanced
set output "%s"
set multiplot layout 1,2
set border 3
set tics nomirror
set grid xtics ytics lc "#dddddd" lw 1
set key off

set title "CPU per put over HTTPS"
set xlabel "microseconds, logarithmic"
set logscale x
set xrange [5:100000]
set xtics (10, 100, 1000, 10000) nomirror
set yrange [-%d-0.5:-0.5]
plot $calls using 2:1:4:ytic(3) with points pt 7 ps 0.9 lc rgb variable, \
  $calls using ($2*1.35):1:5 with labels left

set title "256 puts that take 20 ms each"
set xlabel "at once, logarithmic"
set ylabel "seconds, logarithmic"
set xrange [1:132]
set yrange [*:*]
set logscale x 2
set xtics (1, 2, 4, 8, 16, 32, 64, 128) nomirror
set logscale y 10
unset ytics
set ytics nomirror
set key top right
plot $curve using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb "#999999" title "C, curl_multi", \
  $curve using 1:3 with linespoints lw 2 pt 7 ps 0.6 lc rgb "#1f6fb2" title "bytenite.secrets"
unset multiplot
]]

local OURS, OTHERS = 0x1f6fb2, 0x999999

local function read_json(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return assert(dkjson.decode(text))
end

-- A data block of gnuplot; each row is an array of numbers and quoted texts.
local function block(name, rows)
  local lines = {}
  for position, row in ipairs(rows) do
    lines[position] = table.concat(row, " ")
  end
  return ("$%s << END\n%s\nEND\n"):format(name, table.concat(lines, "\n"))
end

---@return table[] rows position, microseconds, label, colour, text
local function bars(results)
  local rows = {}
  for _, result in ipairs(results.calls) do
    if result.operation == "put" and result.scheme == "https" then
      local ours = result.contestant == "bytenite"
      local value = result.microseconds.median
      rows[#rows + 1] = { -#rows - 1, value, ("%q"):format(result.label), ours and OURS or OTHERS,
        (value < 100 and "%.1f" or "%.0f"):format(value) }
    end
  end
  return rows
end

---@return table[] rows at once, seconds of each side
local function curve(results)
  local rows = {}
  for position, point in ipairs(results.curve) do
    rows[position] = { point.concurrency, point.multi, point.bytenite }
  end
  return rows
end

---@param json_path string results of bench.lua
---@param svg_path string
return function(json_path, svg_path)
  local results = read_json(json_path)
  local bar_rows = bars(results)
  local gnuplot = assert(io.popen("gnuplot", "w"))
  gnuplot:write(block("calls", bar_rows), block("curve", curve(results)),
    SCRIPT:format(svg_path, #bar_rows))
  assert(gnuplot:close(), "gnuplot failed")
end
