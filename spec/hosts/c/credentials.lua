-- Stores the key that the file `key` holds, shows what there is, and removes it again.

local secrets = require "bytenite.secrets"

local number = ...
local id = "of-thread-" .. number

local client = assert(secrets.new())
local key = assert(secrets.from_file("key"))
assert(client:put({ id = id, secretType = "s3" }, key))
local stored = secrets.find(assert(client:list()), { id = id })
print(("s3/%s"):format(stored[1].id))
assert(client:delete("s3", id))
key:wipe()
client:close()
