local json = require "bytenite.secrets.cli.json"
local output = require "bytenite.secrets.cli.output"
local secrets = require "bytenite.secrets"

local version = {
  summary = "Show the version of this program and of what it is made of.",
  examples = { "bytenite-secrets version" },
}

function version.define(command)
  command:flag("--json", "Write JSON.")
end

function version.run(options)
  local info = secrets.info()
  if options.json then
    output.line(json.encode({
      version = info.version, lua = info.lua, libcurl = info.libcurl, tls = info.tls,
      cjson = info.cjson,
    }))
  else
    output.line(("bytenite-secrets %s (%s, libcurl %s, %s, lua-cjson %s)"):format(info.version,
      info.lua, info.libcurl, info.tls, info.cjson))
  end
end

return version
