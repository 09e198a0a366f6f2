-- Certificates for servers of the specs, made with the openssl command by the first run that needs
-- them.
--
--   certificates.ca         path of the authority's certificate, for option ca_file
--   certificates.good       a server's certificate and key, as are the others: for localhost and
--                           127.0.0.1, of that authority
--   certificates.<name>     wrong_host, expired, not_yet_valid, self_signed, other_ca (of another
--                           authority, for the right host), intermediate (an authority below the
--                           first) and below (of that one, which its server does not send)

local shell = require "shell"

local DIRECTORY = (os.getenv("BUILD") or ".build") .. "/pki"

local LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1"
local AUTHORITY = "basicConstraints=critical,CA:TRUE"

-- name, authority, extension, from, until; the span is far in either direction.
local ISSUED = {
  { "good", "ca", LOCAL, "20200101000000Z", "20990101000000Z" },
  { "wrong_host", "ca", "subjectAltName=DNS:other.example", "20200101000000Z", "20990101000000Z" },
  { "expired", "ca", LOCAL, "20200101000000Z", "20210101000000Z" },
  { "not_yet_valid", "ca", LOCAL, "20980101000000Z", "20990101000000Z" },
  { "other_ca", "second", LOCAL, "20200101000000Z", "20990101000000Z" },
  { "intermediate", "ca", AUTHORITY, "20200101000000Z", "20990101000000Z" },
  { "below", "intermediate", LOCAL, "20200101000000Z", "20990101000000Z" },
}

local PREPARE = [[
set -e
made=$(mktemp -d "$1.XXXXXX")
cd "$made"
: >index.txt
cat >ca.cnf <<END
[ca]
default_ca = it
[it]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
END
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
authority() {
  openssl req -x509 $key -keyout $1.key -out $1.pem -subj "/CN=$1" -days 3650 \
    -addext ]] .. AUTHORITY .. [[

}
issue() {
  openssl req -new $key -keyout $1.key -out $1.csr -subj "/CN=$1" -addext $3
  openssl ca -batch -notext -config ca.cnf -cert $2.pem -keyfile $2.key -in $1.csr -out $1.pem \
    -startdate $4 -enddate $5
}
authority ca
authority second
openssl req -x509 $key -keyout self_signed.key -out self_signed.pem -subj /CN=self_signed \
  -days 3650 -addext ]] .. LOCAL .. "\n"

local function pair(name)
  local path = DIRECTORY .. "/" .. name
  return { certificate = path .. ".pem", key = path .. ".key" }
end

-- Another run may be making them too: the first one that is ready wins.
local FINISH = [[
cd "$OLDPWD"
mv -T "$made" "$1" || rm -rf "$made"
]]

local function make()
  local script = PREPARE
  for _, certificate in ipairs(ISSUED) do
    script = script .. "issue " .. table.concat(certificate, " ") .. "\n"
  end
  local _, works = shell(("sh -s %s >%s.log 2>&1"):format(DIRECTORY, DIRECTORY), script .. FINISH)
  assert(works, "the certificates could not be made; see " .. DIRECTORY .. ".log")
end

local made = io.open(DIRECTORY .. "/ca.pem")
if made then
  made:close()
else
  make()
end

local certificates = { ca = DIRECTORY .. "/ca.pem", self_signed = pair "self_signed" }
for _, certificate in ipairs(ISSUED) do
  certificates[certificate[1]] = pair(certificate[1])
end
return certificates
