# shellcheck shell=bash
# Building with progress. One build at a time in a tree: build/build.lock (descriptor 8).

# How many compilers at once: one a processor, but each may take 1.5 GB.
build_jobs() {
  local processors memory_kb
  processors=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  awk -v p="$processors" -v m="$memory_kb" 'BEGIN { j = int(m / 1500000); if (j > p) j = p; if (j < 1) j = 1; print j }'
}

# Passes a build's output on to its log and says every few seconds how far it is ("[12/345] …" is Ninja's line for a step).
show_build_progress() {
  local line said=$SECONDS
  while IFS= read -r line; do
    printf '%s\n' "$line"
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] && ((SECONDS - said >= 5)); then
      said=$SECONDS
      say "  ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} build steps" >&3
    fi
  done 3>&1 >>"$CURRENT_LOG"
}

first_build_error() {
  grep -m 1 -E 'error:|^CMake Error|undefined reference|^ninja: (error|fatal)|FAILED:' "$CURRENT_LOG" || tail -n 1 "$CURRENT_LOG"
}

# build_targets <preset> <log> <target…>: configures when needed and builds; one line when it fails. BILLMESH_BUILD_COMMAND replaces
# the whole build: it is called with the targets.
build_targets() {
  local preset=$1 log=$2
  shift 2
  mkdir -p "$(dirname "$log")"
  : >"$log"
  exec 8>"$BILLMESH_ROOT/build/build.lock"
  if ! flock --nonblock 8; then
    say "another build of this tree is under way: waiting for it (at most 30 min)"
    flock --timeout 1800 8 || fail "the other build did not end within 30 min"
  fi
  step "building (log: $log)" "$log"
  if [[ -n ${BILLMESH_BUILD_COMMAND:-} ]]; then
    (cd "$BILLMESH_ROOT" && $BILLMESH_BUILD_COMMAND "$@") >>"$log" 2>&1 || fail "build failed: $(first_build_error) (log: $log)"
  else
    configure_and_build "$preset" "$@"
  fi
  exec 8>&-
}

configure_and_build() {
  local preset=$1
  shift
  if [[ ! -f $BILLMESH_ROOT/build/$preset/build.ninja ]]; then
    (cd "$BILLMESH_ROOT" && cmake --preset "$preset") >>"$CURRENT_LOG" 2>&1 \
      || fail "cmake failed: $(first_build_error) (log: $CURRENT_LOG)"
  fi
  { cmake --build "$BILLMESH_ROOT/build/$preset" --parallel "$(build_jobs)" --target "$@" 2>&1 || echo "BUILD FAILED"; } \
    | show_build_progress
  [[ $(tail -n 1 "$CURRENT_LOG") != "BUILD FAILED" ]] || fail "build failed: $(first_build_error) (log: $CURRENT_LOG)"
}
