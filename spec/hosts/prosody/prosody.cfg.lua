-- prosody -F --config ./prosody.cfg.lua
data_path = "."
pidfile = "prosody.pid"
log = { info = "prosody.log" }

plugin_paths = { "." }
modules_enabled = { "credentials" }
modules_disabled = { "s2s" }

http_interfaces = { "127.0.0.1" }
http_ports = { 8080 }
https_ports = {}
http_default_host = "localhost"
c2s_interfaces = { "127.0.0.1" }
c2s_ports = {}
legacy_ssl_ports = {}

VirtualHost "localhost"
