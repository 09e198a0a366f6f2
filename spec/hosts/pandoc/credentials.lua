-- pandoc --lua-filter credentials.lua report.md: in place of a block such as
--
--   ::: {.credentials days=30}
--   :::
--
-- the document gets a list of the credentials that expire within so many days.

local secrets = require "bytenite.secrets"

function Div(div)
  if not div.classes:includes("credentials") then return nil end
  local list, err = secrets.list()
  if not list then error(tostring(err), 0) end -- pandoc shows it and ends
  local days = tonumber(div.attributes.days) or 14
  local items = {}
  for _, secret in ipairs(secrets.expiring(list, days * 86400)) do
    items[#items + 1] = pandoc.Plain {
      pandoc.Code(secret.secretType .. "/" .. secret.id),
      pandoc.Str(" expires on " .. secret.expiresAt:sub(1, 10)),
    }
  end
  return pandoc.BulletList(items)
end
