-- A plugin: :Credentials lists, :CredentialPut TYPE ID FILE stores what the file holds as the key
-- of that secret, :CredentialDelete TYPE ID removes it. One can go on typing meanwhile.

local secrets = require "bytenite.secrets"

local client

-- A command whose function runs in a coroutine, which the calls of the client suspend.
local function command(name, count, run)
  vim.api.nvim_create_user_command(name, function(given)
    coroutine.wrap(function()
      local err
      if not client then
        client, err = secrets.new { wait = require "bytenite.secrets.wait.luv" }
      end
      local done
      if client then done, err = run(unpack(given.fargs)) end
      if not done then vim.notify(tostring(err), vim.log.levels.ERROR) end
    end)()
  end, { nargs = count })
end

local function show(list)
  local lines = {}
  for _, secret in ipairs(list) do
    lines[#lines + 1] = ("%s/%s"):format(secret.secretType, secret.id)
  end
  vim.cmd "new"
  vim.bo.buftype = "nofile"
  vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
end

command("Credentials", 0, function()
  local list, err = client:list()
  if list then show(list) end
  return list, err
end)

command("CredentialPut", "+", function(secret_type, id, path)
  local key, err = secrets.from_file(path)
  if not key then return nil, err end
  local receipt
  receipt, err = client:put({ id = id, secretType = secret_type }, key)
  if receipt then vim.notify(("%s/%s is stored"):format(secret_type, id)) end
  return receipt, err
end)

command("CredentialDelete", "+", function(secret_type, id)
  local receipt, err = client:delete(secret_type, id)
  if receipt then vim.notify(("%s/%s is removed"):format(secret_type, id)) end
  return receipt, err
end)
