-- Reports what the specs come to: a line for each file as soon as it has run, every failure in full
-- at the end, and last the counts alone on a line, which .ci/run reads.
--
--   spec/answer_spec.lua                       38 passed     1.2 s
--
-- On a terminal the line of the running file counts up.

local base = require "busted.outputHandlers.base"
local term = require "term"

-- When `make test` began: it shows how long everything took.
local STARTED = tonumber(os.getenv "TEST_STARTED")

return function(options)
  local busted = require "busted"
  local handler = base()
  local on_terminal = term.isatty(io.stdout)
  local files = 0
  local running -- the file that runs: name, started, and the counts when it began

  local function write(text)
    io.write(text)
    io.flush()
  end

  local function counts()
    return {
      passed = handler.successesCount,
      failed = handler.failuresCount + handler.errorsCount,
      pending = handler.pendingsCount,
    }
  end

  -- This text only ever grows while a file runs, so "\r" is enough to write over it.
  local function progress(now)
    local all, others = counts(), ""
    for _, word in ipairs { "failed", "pending" } do
      local count = all[word] - running.counts[word]
      if count > 0 then others = ("%s, %d %s"):format(others, count, word) end
    end
    return ("%-40s %4d passed%s %7.1f s"):format(running.name,
      all.passed - running.counts.passed, others, now - running.started)
  end

  local function start_file(file)
    running = { name = file.name, started = file.starttick, counts = counts() }
    return nil, true
  end

  local function end_test()
    if on_terminal then write(progress(busted.monotime()) .. "\r") end
    return nil, true
  end

  local function end_file(file)
    files = files + 1
    write(progress(file.endtick) .. "\n")
    return nil, true
  end

  -- A file that does not parse never starts.
  local function fail_file(file)
    if not file.starttick then write(("%-40s does not parse\n"):format(file.name)) end
    return nil, true
  end

  local function describe(word, result)
    local place = result.element.trace or result.trace
    local lines = { "", word .. " -> " .. result.name }
    if place and place.short_src then
      lines[2] = ("%s -> %s @ %d"):format(word, place.short_src, place.currentline)
      lines[3] = result.name
    end
    if type(result.message) == "string" then lines[#lines + 1] = result.message end
    if options.verbose and result.trace then lines[#lines + 1] = result.trace.traceback end
    write(table.concat(lines, "\n") .. "\n")
  end

  local function end_suite()
    for _, list in ipairs {
      { "Pending", handler.pendings }, { "Failure", handler.failures }, { "Error", handler.errors },
    } do
      for _, result in ipairs(list[2]) do
        describe(list[1], result)
      end
    end
    return nil, true
  end

  local function exit()
    local whole = STARTED and ("; %d s in all"):format(os.time() - STARTED) or ""
    write(("\n%d file%s in %.1f s%s\n"):format(files, files == 1 and "" or "s",
      handler.getDuration(), whole))
    local all = counts()
    write(("%d passed, %d failed\n"):format(all.passed, all.failed))
    return nil, true
  end

  busted.subscribe({ "file", "start" }, start_file)
  busted.subscribe({ "file", "end" }, end_file)
  busted.subscribe({ "test", "end" }, end_test, { predicate = handler.cancelOnPending })
  busted.subscribe({ "error", "file" }, fail_file)
  busted.subscribe({ "suite", "end" }, end_suite)
  busted.subscribe({ "exit" }, exit)

  return handler
end
