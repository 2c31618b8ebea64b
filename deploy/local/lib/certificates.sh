# shellcheck shell=bash
# The development CA and its certificates (P-256). Every certificate names its holder by URI SAN (what daemons authorize
# by) and carries the DNS SAN "billmesh" (what clients check), "localhost" and 127.0.0.1. For development only: the CA's
# key lies beside them.

readonly CA_DAYS=3650
readonly CERTIFICATE_DAYS=397
# Renewed when it has less than this left, so that a mesh that is left running for a while doesn't expire.
readonly RENEW_SECONDS=$((30 * 86400))

# Holder → URI SAN. `operator` is the person at this machine (billctl), `service` an example of a company's own service.
certificate_table() {
  cat <<'TABLE'
edge         spiffe://billmesh/edge
checkout     spiffe://billmesh/checkout
webhook      spiffe://billmesh/webhook
entitlements spiffe://billmesh/entitlements
reconciler   spiffe://billmesh/reconciler
operator     spiffe://billmesh/operator/local
service      spiffe://billmesh/service/demo
TABLE
}

# Whether <path>.pem is there, lasts, and belongs to <path>.key.
certificate_good() {
  [[ -r $1.pem && -r $1.key ]] && openssl x509 -in "$1.pem" -noout -checkend "$RENEW_SECONDS" >/dev/null 2>&1 \
    && [[ $(openssl x509 -in "$1.pem" -noout -pubkey) == "$(openssl pkey -in "$1.key" -pubout)" ]]
}

# make_ca <dir>: ca.pem and ca.key, unless good ones are there.
make_ca() {
  local dir=$1
  certificate_good "$dir/ca" && return 0
  openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | openssl pkey 2>/dev/null | private_file "$dir/ca.key"
  openssl req -x509 -new -key "$dir/ca.key" -days "$CA_DAYS" -subj "/CN=billmesh development CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    2>/dev/null | private_file "$dir/ca.pem"
}

# make_certificate <dir> <name> <uri> [days]: <name>.pem and <name>.key signed by the CA of the directory, unless good ones of that
# CA are there.
make_certificate() {
  local dir=$1 name=$2 uri=$3 days=${4:-$CERTIFICATE_DAYS}
  if certificate_good "$dir/$name" && openssl verify -CAfile "$dir/ca.pem" "$dir/$name.pem" >/dev/null 2>&1; then
    return 0
  fi
  openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | openssl pkey 2>/dev/null | private_file "$dir/$name.key"
  openssl req -new -key "$dir/$name.key" -subj "/CN=$name" 2>/dev/null \
    | openssl x509 -req -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -set_serial "0x$(random_hex 16)" -days "$days" -sha256 \
      -extfile <(certificate_extensions "$uri") 2>/dev/null | private_file "$dir/$name.pem"
}

certificate_extensions() {
  cat <<EXTENSIONS
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = URI:$1, DNS:billmesh, DNS:localhost, IP:127.0.0.1
EXTENSIONS
}

# make_certificates <dir>: the CA and everyone in the table.
make_certificates() {
  local dir=$1 name uri
  make_ca "$dir"
  while read -r name uri; do
    make_certificate "$dir" "$name" "$uri"
  done < <(certificate_table)
}
