-- What the pages of the repository refer to is there: files, headings, targets of make; and
-- spec/README.md knows each spec.

local lfs = require "lfs"
local read = require "read"
local shell = require "shell"

local function pages()
  local paths = {}
  for path in shell("find . -name .build -prune -o -name '*.md' -print"):gmatch("[^\n]+") do
    paths[#paths + 1] = path:sub(3)
  end
  return paths
end

-- The text of a page without code, and its code.
local function parts_of(path)
  local code = {}
  local function take(text)
    code[#code + 1] = text
    return ""
  end
  local text = read(path):gsub("```.-\n```", take):gsub("`[^`\n]+`", take)
  return text, table.concat(code, "\n")
end

-- The anchors that GitHub gives to the headings of a page.
local function anchors_of(path)
  local anchors = {}
  for heading in ("\n" .. read(path):gsub("```.-\n```", "")):gmatch("\n#+ ([^\n]+)") do
    local anchor = heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")
    anchors[anchor] = true
  end
  return anchors
end

-- What is wrong with a link of a page, or nil.
local function problem_of(page, target)
  if target:find("^https://") then return nil end
  local name, anchor = target:match("^([^#]*)#?(.*)$")
  local folder = page:match("^(.*/)") or ""
  local path = name == "" and page or folder .. name
  if not lfs.attributes(path) then return "there is no " .. path end
  if anchor ~= "" and not anchors_of(path)[anchor] then
    return ("%s has no heading #%s"):format(path, anchor)
  end
end

describe("The pages of the repository", function()
  it("link to files and headings that are there", function()
    local count = 0
    for _, page in ipairs(pages()) do
      for target in parts_of(page):gmatch("%]%(([^)%s]+)%)") do
        count = count + 1
        assert.is_nil(problem_of(page, target), page)
      end
    end
    assert.truthy(count > 20)
  end)

  it("name targets of make that are there", function()
    local makefile = "\n" .. read "Makefile"
    local count = 0
    for _, page in ipairs(pages()) do
      local _, code = parts_of(page)
      for target in code:gmatch("%f[%w]make ([a-z][a-z-]*)") do
        count = count + 1
        assert.truthy(makefile:find("\n" .. target .. ":", 1, true), page .. ": make " .. target)
      end
    end
    assert.truthy(count > 20)
  end)
end)

describe("spec/README.md", function()
  it("says of each spec what it tests", function()
    local section = read("spec/README.md"):match("\n## What tests what\n(.-)\nThe other folders")
    local patterns = {}
    for cell in section:gmatch("\n| ([^|]+) |") do
      for name in cell:gmatch("`([^`]+)`") do
        patterns[#patterns + 1] = "^" .. name:gsub("%*", "[^/]*") .. "$"
      end
    end
    for path in shell("find spec -name '*_spec.lua'"):gmatch("[^\n]+") do
      local name, known = path:match("^spec/(.*)_spec%.lua$"), false
      for _, pattern in ipairs(patterns) do
        known = known or name:find(pattern) ~= nil
      end
      assert.is_true(known, path .. " is not in the table")
    end
  end)
end)
