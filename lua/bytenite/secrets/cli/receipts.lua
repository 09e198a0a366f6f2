-- What people are told of a write that was done.

local terminal = require "bytenite.secrets.cli.terminal"
local text = require "bytenite.secrets.cli.text"

local receipts = {}

---@param address { secretType: string, id: string }
---@return string
function receipts.name(address)
  return text.clean(address.secretType .. "/" .. address.id)
end

---@param done string
---@param receipt bytenite.secrets.Receipt
function receipts.tell(done, receipt)
  if receipt.absent then done = done .. ", which was not there" end
  if receipt.requestId then done = ("%s (request %s)"):format(done, receipt.requestId) end
  terminal.remark(done)
end

return receipts
