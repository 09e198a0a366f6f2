-- What is done before memory is looked at: the operations, in each way in which they can end.

local raw_server = require "raw_server"
local scan = require "memscan.scan"

local unpack = table.unpack or rawget(_G, "unpack")

local request, hold, reset = raw_server.request, raw_server.hold, raw_server.reset

---@class memscan.Case
---@field name string
---@field steps string[] of spec/memscan/subject.lua
---@field verdicts string[] what is to come of them
---@field server fun(secrets: table<string, string>): table[] scripts for the connections, without
--- the step that encrypts; with `certificate` a script names one other than the good one
---@field tokens (string|false)[]? the token that the client has after each step; the first one by
--- default
---@field refused boolean? nobody listens any more when the last step begins
---@field encrypted boolean? makes sense over TLS only
---@field host string? of the URL; an address by default
---@field protocol string? of TLS, as LuaSec names it; the newest by default
---@field timeout number? seconds for the last step
---@field interrupted boolean? Ctrl-C is pressed while the last step waits for its answer
---@field raises boolean? a call raised an error, and left the page of its token to the collector
---@field wait string? and
---@field ending string? see spec/memscan/subject.lua
---@field key (fun(): string)? makes the secretKey
---@field sources table<string, string|false>? of `secretKey` and `apiKey`, where they are not read
--- from files by from_file, and of `token`, where it is given
---@field own table<string, table<string, integer>>? after a step, how often a secret lies in pages
--- of its own, where that is not once while it is in use

local cases = {}

local function case(fields)
  cases[#cases + 1] = fields
end

-- What a server says ------------------------------------------------------------------------------

local function token(text, headers)
  return raw_server.answer(200, ('{"token":"%s","expiresIn":"3600","scope":"all"}')
    :format(scan.escaped(text)), headers)
end

local DONE = raw_server.answer(200, '{"ok":true,"requestId":"id-1","secrets":[]}')
local LISTING = raw_server.answer(200,
  '{"secrets":[{"id":"my-key","secretType":"s3","accessKey":"AKIAIOSFODNN7EXAMPLE"}]}')
local UNAUTHORIZED = raw_server.answer(401, '{"code":16,"message":"no"}')

-- A script that gives these answers, each to a request of its own.
local function answers(...)
  local script = {}
  for _, answer in ipairs { ... } do
    script[#script + 1] = request
    script[#script + 1] = answer
  end
  script[#script + 1] = hold
  return script
end

-- The operations, in each way ---------------------------------------------------------------------

-- After a token exchange on the same connection.
local function add_operation(op, answer)
  local steps = { "authenticate", op }
  case {
    name = op, steps = steps, verdicts = { "ok", "ok" },
    server = function(secrets)
      return { answers(token(secrets.token), answer) }
    end,
  }
  case {
    name = op .. ", connection refused", steps = steps, verdicts = { "ok", "network" },
    refused = true,
    server = function(secrets)
      return { answers(token(secrets.token)) }
    end,
  }
  case {
    name = op .. ", reset after the request", steps = steps, verdicts = { "ok", "network" },
    server = function(secrets)
      return { { request, token(secrets.token), request, reset }, { request, reset } }
    end,
  }
  case {
    name = op .. ", wrong CA", steps = steps, verdicts = { "ok", "tls" }, encrypted = true,
    server = function(secrets)
      return {
        { request, token(secrets.token, "Connection: close\r\n") },
        { certificate = "other_ca", request },
      }
    end,
  }
  case {
    name = op .. ", time-out", steps = steps, verdicts = { "ok", "timeout" }, timeout = 0.3,
    server = function(secrets)
      return { { request, token(secrets.token), request, hold } }
    end,
  }
  case {
    name = op .. ", 401 and a new token", steps = steps, verdicts = { "ok", "ok" },
    tokens = { "token", "renewed" },
    server = function(secrets)
      return { answers(token(secrets.token), UNAUTHORIZED, token(secrets.renewed), answer) }
    end,
  }
end

add_operation("put", DONE)
add_operation("list", LISTING)

local function add_authenticate(how, verdict, script, fields)
  fields = fields or {}
  fields.name = "authenticate, " .. how
  fields.steps, fields.verdicts = { "authenticate" }, { verdict }
  fields.tokens = fields.tokens or { false }
  fields.server = function(secrets)
    return { type(script) == "function" and script(secrets) or script }
  end
  case(fields)
end

add_authenticate("401", "unauthorized", answers(UNAUTHORIZED))
add_authenticate("connection refused", "network", { hold }, { refused = true })
add_authenticate("reset after the request", "network", { request, reset })
add_authenticate("wrong CA", "tls", { certificate = "other_ca", request }, { encrypted = true })
add_authenticate("time-out", "timeout", { request, hold }, { timeout = 0.3 })
add_authenticate("answer cut off", "network", function(secrets)
  return { request, token(secrets.token):sub(1, -8) }
end)
add_authenticate("answer that is not JSON", "protocol", function(secrets)
  return answers(raw_server.answer(200, ('{"token":"%s",}'):format(scan.escaped(secrets.token))))
end)

add_authenticate("answer in two pieces", "ok", function(secrets)
  local answer = token(secrets.token)
  local middle = #answer - 70
  return { request, answer:sub(1, middle), raw_server.wait(0.05), answer:sub(middle + 1), hold }
end, { tokens = { "token" } })

case {
  name = "put, to a host by its name", steps = { "put" }, verdicts = { "ok" },
  host = "localhost",
  server = function(secrets)
    return { answers(token(secrets.token), DONE) }
  end,
}

case {
  name = "put, interrupted by Ctrl-C", steps = { "authenticate", "put" },
  verdicts = { "ok", "raised" }, interrupted = true,
  server = function(secrets)
    return { { request, token(secrets.token), request, hold } }
  end,
}

-- Enough for eight puts and a list, on whichever connections they come.
local function put_all_well(secrets)
  local done = { DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE }
  return { answers(token(secrets.token), unpack(done)), answers(unpack(done)) }
end

case {
  name = "put_all", steps = { "put_all" }, verdicts = { "ok" }, server = put_all_well,
}

case {
  name = "plan and apply", steps = { "apply" }, verdicts = { "ok" }, server = put_all_well,
}

case {
  name = "put_all and list in an event loop", steps = { "put_all", "list" },
  verdicts = { "ok", "ok" }, wait = "loop", server = put_all_well,
}

case {
  name = "put in an event loop that raises", steps = { "authenticate", "put" },
  verdicts = { "ok", "raised" }, wait = "raise",
  server = function(secrets)
    return { { request, token(secrets.token), request, hold } }
  end,
}

case {
  name = "put, all left to the collector", steps = { "put" }, verdicts = { "ok" },
  ending = "collect",
  server = function(secrets)
    return { answers(token(secrets.token), DONE) }
  end,
}

case {
  name = "every operation, TLS 1.2", steps = { "authenticate", "put", "list", "delete" },
  verdicts = { "ok", "ok", "ok", "ok" }, encrypted = true, protocol = "tlsv1_2",
  server = function(secrets)
    return { answers(token(secrets.token), DONE, LISTING, DONE) }
  end,
}

case {
  name = "every operation on one connection",
  steps = { "authenticate", "put", "list", "delete", "authenticate", "rotate" },
  verdicts = { "ok", "ok", "ok", "ok", "ok", "ok" },
  tokens = { "token", "token", "token", "token", "renewed", "renewed" },
  server = function(secrets)
    return { answers(token(secrets.token), DONE, LISTING, DONE, token(secrets.renewed), LISTING,
      DONE) }
  end,
}

-- Keys of other kinds, and what is refused before anything is sent --------------------------------

local function token_only(secrets)
  return { answers(token(secrets.token)) }
end

local function put_well(secrets)
  return { answers(token(secrets.token), DONE) }
end

case {
  name = "put of a key of 60 KiB", steps = { "put" }, verdicts = { "ok" }, server = put_well,
  key = function()
    return scan.secret({ '"', "\\", "\n", "\31" }, 60 * 1024 / 8)
  end,
}

case {
  name = "put of a key that is not UTF-8", steps = { "authenticate", "put" },
  verdicts = { "ok", "invalid" }, server = token_only,
  key = function()
    return scan.secret { "\255" }
  end,
}

case {
  name = "put of a record that cannot be sent",
  steps = { "authenticate", "put_invalid", "core_put_invalid", "core_put_raises" },
  verdicts = { "ok", "invalid", "invalid", "raised" }, raises = true, server = token_only,
}

case {
  name = "SecretStrings before any call", steps = { "nothing" }, verdicts = { "ok" },
  tokens = { false }, server = token_only,
}

case {
  name = "a SecretString that is mishandled", steps = { "mishandle" }, verdicts = { "ok" },
  tokens = { false }, server = token_only,
}

-- Where credentials come from ---------------------------------------------------------------------

local function add_source(name, sources)
  case { name = name, steps = { "put" }, verdicts = { "ok" }, server = put_well, sources = sources }
end

add_source("keys from descriptors", { secretKey = "from_fd", apiKey = "from_fd" })
case {
  name = "key typed at a prompt", steps = { "put" }, verdicts = { "ok" }, server = put_well,
  sources = { secretKey = "from_prompt" },
  key = function()
    return scan.secret { '"', "\\" }
  end,
}
add_source("keys from functions", { secretKey = "function", apiKey = "function" })
add_source("keys from variables, unset", { secretKey = "from_env", apiKey = "from_env" })
add_source("API key from BYTENITE_API_KEY_FILE", { apiKey = "BYTENITE_API_KEY_FILE" })

case {
  name = "access token from a file", steps = { "put", "list" }, verdicts = { "ok", "ok" },
  sources = { apiKey = false, token = "from_file" },
  own = {
    put = { apiKey = 0, token = 2 },
    list = { apiKey = 0, token = 2 },
    close = { apiKey = 0, token = 1 },
  },
  server = function()
    return { answers(DONE, LISTING) }
  end,
}

-- What the server tells back ----------------------------------------------------------------------

-- Of which nothing is promised: an answer is decoded into strings of Lua.
cases.echoes = {}

local function add_echo(name, op, verdict, status, body, told)
  table.insert(cases.echoes, {
    name = name, steps = { "authenticate", op }, verdicts = { "ok", verdict },
    server = function(secrets)
      local text = body:format(scan.escaped(secrets[told]))
      return { answers(token(secrets.token), raw_server.answer(status, text)) }
    end,
  })
end

add_echo("put, 400 that quotes the key", "put", "rejected", 400,
  '{"code":3,"message":"the key %s is not valid"}', "secretKey")
add_echo("put, success that quotes the key", "put", "ok", 200,
  '{"ok":true,"message":"the key %s is stored"}', "secretKey")
add_echo("list, record with its key", "list", "ok", 200,
  '{"secrets":[{"id":"my-key","secretType":"s3","secretKey":"%s"}]}', "secretKey")
add_echo("list, 403 that quotes the token", "list", "forbidden", 403,
  '{"code":7,"message":"the token %s may not do that"}', "token")

-- What is compared with other clients -------------------------------------------------------------

---@type memscan.Case
cases.compared = {
  name = "authenticate, put and list", steps = { "authenticate", "put", "list" },
  verdicts = { "ok", "ok", "ok" },
  server = function(secrets)
    return { answers(token(secrets.token), DONE, LISTING) }
  end,
}

---The same for a program that may make a connection for each request.
function cases.for_peers(secrets)
  local all = { token(secrets.token), DONE, LISTING }
  local scripts = {}
  for first = 1, #all do
    scripts[first] = answers(unpack(all, first))
  end
  return scripts
end

return cases
