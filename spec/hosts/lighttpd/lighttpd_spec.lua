require("credentials_page").describe {
  name = "lighttpd",
  folder = "lighttpd",
  abi = "5.4",
  command = { "lighttpd", "-D", "-f", "lighttpd.conf" },
  signal = 2, -- SIGTERM does not wait for connections
  blocks = true,
}
