# shellcheck shell=bash
# Which port each part listens on, and whether somebody else has it. All of them lie below the range that the kernel
# hands out to outgoing connections (32768 and up), so that a browser can't be sitting on one.

# name, default, variable that overrides it.
port_table() {
  cat <<'TABLE'
postgres             15432 BILLMESH_POSTGRES_PORT
redis                16379 BILLMESH_REDIS_PORT
stripesim            12111 BILLMESH_STRIPESIM_PORT
edge                 18080 BILLMESH_EDGE_PORT
edge-metrics         18180 BILLMESH_EDGE_METRICS_PORT
checkout             18401 BILLMESH_CHECKOUT_PORT
checkout-metrics     18501 BILLMESH_CHECKOUT_METRICS_PORT
webhook              18402 BILLMESH_WEBHOOK_PORT
webhook-metrics      18502 BILLMESH_WEBHOOK_METRICS_PORT
entitlements         18403 BILLMESH_ENTITLEMENTS_PORT
entitlements-metrics 18503 BILLMESH_ENTITLEMENTS_METRICS_PORT
reconciler           18404 BILLMESH_RECONCILER_PORT
reconciler-metrics   18504 BILLMESH_RECONCILER_METRICS_PORT
TABLE
}

declare -A PORT=()

# Fills PORT from the table and the environment; each port must be a number of its own.
read_ports() {
  local name fallback variable port
  local -A used=()
  while read -r name fallback variable; do
    port=${!variable:-$fallback}
    if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port < 1 || port > 65535)); then
      fail "$variable: \"$port\" is not a port"
    fi
    [[ -z ${used[$port]:-} ]] || fail "$variable: port $port is already meant for ${used[$port]}"
    used[$port]=$name
    PORT[$name]=$port
  done < <(port_table)
}

# The socket inode of whoever listens on the port (any address), empty if nobody does.
listener_inode() {
  local hex
  hex=$(printf '%04X' "$1")
  awk -v port=":$hex\$" '$4 == "0A" && $2 ~ port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# "pid 123 (nginx)" of the listener, as far as we may see it.
listener_name() {
  local link pid
  link=$(find /proc/[0-9]*/fd -lname "socket:\[$1\]" -print -quit 2>/dev/null || true)
  [[ -n $link ]] || { echo "another program"; return; }
  pid=${link#/proc/}
  pid=${pid%%/*}
  echo "pid $pid ($(cat "/proc/$pid/comm" 2>/dev/null || echo gone))"
}

# Fails with one line when somebody listens there. Asked just before a part of ours is started.
require_free_port() {
  local name=$1 inode variable
  inode=$(listener_inode "${PORT[$name]}")
  [[ -n $inode ]] || return 0
  variable=$(port_table | awk -v name="$name" '$1 == name { print $3 }')
  fail "port ${PORT[$name]} for $name is taken by $(listener_name "$inode"); free it or set $variable"
}

# A port that nobody listens on, from the range 20000 to 29999.
free_port() {
  local port _
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 10000))
    [[ -n $(listener_inode "$port") ]] || { echo "$port"; return; }
  done
  fail "no free port between 20000 and 29999 in 50 tries"
}
