-- The main job, as a transcript: each line after ">" is code that runs as it stands.

local compile = require "compile"
local secrets = require "bytenite.secrets"

local environment = setmetatable({ secrets = secrets }, { __index = _G })

local function step(code)
  print("\n> " .. code:gsub("\n", "\n  "))
  return (compile("return " .. code, "=demo", environment)
    or assert(compile(code, "=demo", environment)))()
end

local function show(list)
  if #list == 0 then print("  (nothing is stored)") end
  for _, secret in ipairs(list) do
    local days = math.floor(secrets.expires_in(secret) / 86400)
    print(("  %-4s %-10s %-16s %-22s in %d days"):format(secret.secretType, secret.id, secret.name,
      secret.accessKey, days))
  end
end

print("The service is an emulator on " .. os.getenv "BYTENITE_BASE_URL" .. ",")
print("which BYTENITE_BASE_URL and BYTENITE_API_KEY name.")

step "client = assert(secrets.new())"

local receipt = step [[
assert(client:put({
  id = "s3-secret", secretType = "s3", name = "My S3 Secret",
  accessKey = "AKIAIOSFODNN7EXAMPLE", params = { region = "eu-central-1" },
  expiresAt = secrets.timestamp(os.time() + 30 * 86400),
}, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))]]
print(("  %s (request %s)"):format(receipt.message, receipt.requestId))

show(step "assert(client:list())")

step 'secret = assert(client:get("s3", "s3-secret"))'
step 'secret.name = "Renamed"'
receipt = step 'assert(client:put(secret, "a-new-key-for-the-same-record"))'
print(("  %s (request %s)"):format(receipt.message, receipt.requestId))

show(step 'assert(client:list({ secretType = "s3" }))')

receipt = step 'assert(client:delete("s3", "s3-secret"))'
print(("  %s (request %s)"):format(receipt.message, receipt.requestId))

show(step "assert(client:list())")

local _, err = step 'client:delete("s3", "s3-secret")'
print("  " .. tostring(err))

step "client:close()"
