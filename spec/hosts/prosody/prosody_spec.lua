local page = require "credentials_page"

page.describe {
  name = "Prosody",
  folder = "prosody",
  abi = "5.4",
  command = { "prosody", "-F", "--config", "./prosody.cfg.lua" },
}
