# shellcheck shell=bash
# What every script of this folder starts from: strict mode, the places of the tree, and how it speaks. Sourced, never run.
# A script says each step on standard output with the time since it began, and a failure as one line on standard error.
set -euo pipefail

BILLMESH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
readonly BILLMESH_ROOT
# shellcheck disable=SC2034  # read by who sources this
readonly LOCAL_DIR="$BILLMESH_ROOT/build/local"
PROGRAM=$(realpath "$0")
PROGRAM=${PROGRAM#"$BILLMESH_ROOT"/}
readonly PROGRAM

# How `fail` leaves, subshells included, so that on_exit knows that the failure was said.
readonly SAID=97

# The step under way and the log that tells more about it, for the failure line.
CURRENT_STEP=""
CURRENT_LOG=""
# Set before an exit whose reason was said in another way.
FAILURE_SAID=""

# Milliseconds since 1970.
now_ms() {
  local now=${EPOCHREALTIME/[.,]/}
  echo "${now%???}"
}

STARTED_MS=$(now_ms)
readonly STARTED_MS

# "  12.3 s": the time since the script began.
elapsed() {
  local ms=$(($(now_ms) - STARTED_MS))
  printf '%4d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

say() {
  printf '[%s] %s\n' "$(elapsed)" "$*"
}

# Begins a step: step "applying migrations" [log file]
step() {
  CURRENT_STEP=$1
  CURRENT_LOG=${2:-}
  say "$1"
}

# Ends the script with one line, from a subshell too.
fail() {
  printf '%s: %s\n' "$PROGRAM" "$*" >&2
  exit "$SAID"
}

# Every script's last act: its own `cleanup <exit code>` if it has one, and a line for a failure that nobody named yet.
on_exit() {
  local code=$1
  trap - EXIT INT TERM HUP
  case $code in
    0 | "$SAID" | 130 | 143) ;;
    *) [[ -n $FAILURE_SAID ]] || printf '%s: failed (exit %d) while %s%s\n' "$PROGRAM" "$code" "${CURRENT_STEP:-starting}" \
      "${CURRENT_LOG:+; see $CURRENT_LOG}" >&2 ;;
  esac
  if declare -F cleanup >/dev/null; then cleanup "$code" || true; fi
  ((code != SAID)) || code=1
  exit "$code"
}
trap 'on_exit $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_command() {
  command -v "$1" >/dev/null || fail "$1 is missing; deploy/local/packages installs what is needed"
}

# wait_until <seconds> <command…>: polls until the command succeeds; fails when the time is over.
wait_until() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@"; do
    (($(now_ms) < deadline)) || return 1
    sleep 0.05
  done
}

# Random bytes as hex, from the kernel: 32 of them, or as many as asked for.
random_hex() {
  od -An -N"${1:-32}" -tx1 /dev/urandom | tr -d ' \n'
}

# private_file <path>: the file's content comes from standard input; mode 0600 from its first byte on; replaced at once.
private_file() {
  local temporary
  temporary=$(mktemp "$1.XXXXXX")
  cat >"$temporary"
  mv -f "$temporary" "$1"
}
