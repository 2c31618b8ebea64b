# shellcheck shell=bash
# Signing keys (P-256), their public halves as JWKS, and tokens (ES256) of the development issuer.

# shellcheck disable=SC2034  # read by who sources this
readonly DEV_ISSUER="https://issuer.billmesh.test"
# shellcheck disable=SC2034
readonly DEV_AUDIENCE="billmesh"

base64url() {
  openssl base64 -A | tr '+/' '-_' | tr -d '='
}

hex_to_bytes() {
  local hex
  read -r hex
  # shellcheck disable=SC2001,SC2059  # every two digits; the format is made of \x escapes only
  printf "$(sed 's/../\\x&/g' <<<"$hex")"
}

# The public point of a key: x and y as base64url. A P-256 public key in DER ends with its 32 + 32 bytes.
public_point() {
  local der
  der=$(openssl pkey -in "$1" -pubout -outform DER | tail -c 64 | od -An -v -tx1 | tr -d ' \n')
  echo "$(hex_to_bytes <<<"${der:0:64}" | base64url) $(hex_to_bytes <<<"${der:64:64}" | base64url)"
}

# The RFC 7638 thumbprint of a key.
key_id() {
  local x y
  read -r x y < <(public_point "$1")
  printf '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' "$x" "$y" | openssl dgst -sha256 -binary | base64url
}

# make_signing_key <dir> <name>: <name>.key and <name>.jwks.json, unless they are there.
make_signing_key() {
  local dir=$1 name=$2 x y
  [[ -s $dir/$name.key && -s $dir/$name.jwks.json ]] && return 0
  openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | openssl pkey 2>/dev/null | private_file "$dir/$name.key"
  read -r x y < <(public_point "$dir/$name.key")
  printf '{"keys":[{"kty":"EC","crv":"P-256","x":"%s","y":"%s","kid":"%s","alg":"ES256","use":"sig"}]}\n' \
    "$x" "$y" "$(key_id "$dir/$name.key")" | private_file "$dir/$name.jwks.json"
}

# An ECDSA signature from DER to the 64 bytes that JOSE wants: r and s, 32 bytes each.
der_to_raw() {
  local integer
  openssl asn1parse -inform DER | sed -n 's/.*INTEGER *:\(.*\)/\1/p' | while read -r integer; do
    printf '%064s' "$integer" | tr ' ' '0' | tail -c 64
  done | { cat; echo; } | hex_to_bytes
}

json_string() {
  [[ $1 != *[\"\\]* && $1 != *[[:cntrl:]]* ]] || fail "\"$1\" holds a character that a token's claim may not have here"
  printf '"%s"' "$1"
}

# mint_token <key file> <subject> <lifetime in seconds> <issuer> <audience> [permission…]
mint_token() {
  local key=$1 subject=$2 lifetime=$3 issuer=$4 audience=$5 now header claims list="" permission signed
  shift 5
  issuer=$(json_string "$issuer") || return
  audience=$(json_string "$audience") || return
  subject=$(json_string "$subject") || return
  for permission in "$@"; do
    permission=$(json_string "$permission") || return
    list+="${list:+,}$permission"
  done
  now=$(date +%s)
  header=$(printf '{"alg":"ES256","typ":"JWT","kid":"%s"}' "$(key_id "$key")" | base64url)
  claims=$(printf '{"iss":%s,"aud":%s,"sub":%s,"iat":%d,"nbf":%d,"exp":%d%s}' "$issuer" "$audience" "$subject" "$now" \
    "$((now - 5))" "$((now + lifetime))" "${list:+,\"permissions\":[$list]}" | base64url)
  signed="$header.$claims"
  echo "$signed.$(printf '%s' "$signed" | openssl dgst -sha256 -sign "$key" -binary | der_to_raw | base64url)"
}
