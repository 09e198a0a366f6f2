std = "min"
max_line_length = 100
exclude_files = { ".build" }
files["spec"] = { std = "max+busted" }
files["spec/hosts/apache"] = { globals = { "handle" }, read_globals = { "apache2" } }
files["spec/hosts/haproxy"] = { read_globals = { "core" } }
files["spec/hosts/lighttpd"] = { read_globals = { "lighty" } }
files["spec/hosts/neovim"] = { globals = { "vim" } }
files["spec/hosts/nginx"] = { globals = { "ngx" } }
files["spec/hosts/pandoc"] = { globals = { "Div" }, read_globals = { "pandoc" } }
files["spec/hosts/prosody/mod_credentials.lua"] = { globals = { "module" } }
files["spec/hosts/prosody/prosody.cfg.lua"] = {
  allow_defined_top = true,
  ignore = { "131" },
  read_globals = { "VirtualHost" },
}
