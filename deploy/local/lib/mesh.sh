# shellcheck shell=bash
# What the parts of the local mesh run with, and starting each so that a second `up` keeps what is well and up to date.
# Uses base, ports, process and postgres; reads IDENTITY, STRIPE (array of the provider's settings) and PORT.

readonly RUN_DIR=$LOCAL_DIR/run
readonly LOG_DIR=$LOCAL_DIR/logs
readonly SECRETS_DIR=$LOCAL_DIR/secrets
readonly IDENTITY=$LOCAL_DIR/identity
readonly BIN=$BILLMESH_ROOT/build/release
# In the order of their dependencies: who is called comes before its caller.
readonly DAEMONS=(entitlements webhook checkout reconciler edge)
# Seconds in which a part must be ready, and in which it must have ended.
readonly READY_SECONDS=30
readonly STOP_SECONDS=20

# Binary of a target of the release build, wherever its folder is.
binary_of() {
  case $1 in
    stripesim) echo "$BIN/tests/stripesim/stripesim" ;;
    billctl) echo "$BIN/deploy/billctl/billctl" ;;
    *) echo "$BIN/services/$1/billmesh-$1" ;;
  esac
}

# secret <name> [prefix]: a random secret, made once and kept in a file of its own.
secret() {
  local file=$SECRETS_DIR/$1
  [[ -s $file ]] || echo "${2:-}$(random_hex)" | private_file "$file"
  cat "$file"
}

address() {
  # shellcheck disable=SC2153  # ports.sh fills it
  echo "127.0.0.1:${PORT[$1]}"
}

# write_environment <name> <VARIABLE=value…>: the variables that start_process gives to it, quoted for the shell.
write_environment() {
  local name=$1
  shift
  write_variables "$@" | private_file "$RUN_DIR/$name.env"
}

# <VARIABLE=value…> quoted for a shell, one a line.
write_variables() {
  local pair
  for pair in "$@"; do
    printf '%s=%q\n' "${pair%%=*}" "${pair#*=}"
  done
}

role_url() {
  echo "postgresql://billmesh_$1:$(secret "role-$1")@$(address postgres)/$DATABASE"
}

# What all daemons have, as <VARIABLE=value> lines.
common_environment() {
  local name=$1
  cat <<COMMON
METRICS_ADDR=$(address "$name-metrics")
TLS_CA_FILE=$IDENTITY/ca.pem
TLS_CERT_FILE=$IDENTITY/$name.pem
TLS_KEY_FILE=$IDENTITY/$name.key
LOG_LEVEL=${BILLMESH_LOG_LEVEL:-info}
BILLING_ENV=test
CHECKOUT_ADDR=$(address checkout)
WEBHOOK_ADDR=$(address webhook)
ENTITLEMENTS_ADDR=$(address entitlements)
RECONCILER_ADDR=$(address reconciler)
COMMON
  [[ $name == edge ]] || cat <<DAEMON
LISTEN_ADDR=$(address "$name")
DATABASE_URL=$(role_url "$name")
USER_ASSERTION_JWKS_FILE=$IDENTITY/assertion.jwks.json
DAEMON
}

# What only some have.
own_environment() {
  case $1 in
    checkout)
      printf '%s\n' "STRIPE_SECRET_KEY=${STRIPE[key]}" "STRIPE_API_BASE=${STRIPE[base]}" BILLING_CURRENCY=eur \
        "PUBLIC_BASE_URL=http://$(address edge)" "OPERATION_KEY_SECRET=$(secret operation-key)"
      ;;
    reconciler) printf '%s\n' "STRIPE_SECRET_KEY=${STRIPE[key]}" "STRIPE_API_BASE=${STRIPE[base]}" ;;
    webhook)
      printf '%s\n' "STRIPE_SECRET_KEY=${STRIPE[key]}" "STRIPE_API_BASE=${STRIPE[base]}" \
        "STRIPE_WEBHOOK_SECRET=${STRIPE[webhook_secret]}"
      ;;
    edge)
      printf '%s\n' "HTTP_LISTEN_ADDR=$(address edge)" "USER_ASSERTION_KEY_FILE=$IDENTITY/assertion.key" \
        "JWT_ISSUER=$DEV_ISSUER" "JWT_AUDIENCE=$DEV_AUDIENCE" "JWT_JWKS=$IDENTITY/issuer.jwks.json" \
        "REDIS_URL=redis://$(address redis)/0"
      ;;
  esac
}

# What a running part was started from: its command, settings, binary and certificates. Another one means: start it anew.
fingerprint() {
  local name=$1
  shift
  {
    printf '%s\n' "$@"
    cat "$RUN_DIR/$name.env" 2>/dev/null || true
    stat --dereference --format='%n %i %s %Y' "$1"
    if [[ -r $IDENTITY/$name.pem ]]; then
      stat --format='%n %i %s %Y' "$IDENTITY/ca.pem" "$IDENTITY/$name.pem" "$IDENTITY"/*.jwks.json
    fi
  } | sha256sum
}

# ensure_process <name> <ports, comma separated> <health URL> <command…>: keeps it when it runs, is up to date and healthy; else starts
# it. Sets STARTED to yes or no.
ensure_process() {
  local name=$1 ports=$2 health=$3 port
  shift 3
  STARTED=no
  if is_running "$name" && [[ $(cat "$RUN_DIR/$name.made" 2>/dev/null) == "$(fingerprint "$name" "$@")" ]] && healthy "$health"; then
    say "$name runs already (pid $(pid_of "$name"))"
    return
  fi
  if is_running "$name"; then
    say "$name is out of date or unwell: starting it anew"
    stop_process "$name" "$STOP_SECONDS"
  fi
  for port in ${ports//,/ }; do
    require_free_port "$port"
  done
  touch "$LOG_DIR/$name.log"
  LOG_START[$name]=$(($(wc -l <"$LOG_DIR/$name.log") + 1))
  start_process "$name" "$@"
  fingerprint "$name" "$@" >"$RUN_DIR/$name.made"
  # shellcheck disable=SC2034  # read by who calls
  STARTED=yes
}

# A health URL is http://…, or tcp:<port> for what speaks no HTTP.
healthy() {
  case $1 in
    tcp:*) [[ -n $(listener_inode "${1#tcp:}") ]] ;;
    *) http_ok "$1" ;;
  esac
}

declare -A LOG_START=()

health_url() {
  echo "http://$(address "$1-metrics")/readyz"
}

start_daemon() {
  local name=$1 environment ports
  mapfile -t environment < <(common_environment "$name" && own_environment "$name")
  write_environment "$name" "${environment[@]}"
  ports="$name,$name-metrics"
  ensure_process "$name" "$ports" "$(health_url "$name")" "$(binary_of "$name")"
}

start_daemons() {
  local name
  step "starting ${DAEMONS[*]}"
  for name in "${DAEMONS[@]}"; do
    start_daemon "$name"
  done
  for name in "${DAEMONS[@]}"; do
    wait_ready "$name" "$(health_url "$name")" "$READY_SECONDS" "${LOG_START[$name]:-1}"
    say "  $name is ready (pid $(pid_of "$name"))"
  done
}
