# shellcheck shell=bash
# Background processes with pid files. A pid file holds "<pid> <start time>": the kernel's start time tells our process
# from another one that got the same number later, so that only what was started here is ever signalled.
# Callers set RUN_DIR (pid and environment files) and LOG_DIR.

# The kernel's start time (clock ticks since boot) of a pid; fails for a pid that isn't there or only waits to be reaped.
start_time_of() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The second field is the program's name in parentheses and may hold anything, so fields count from the last ")".
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] || return 1
  echo "${stat[19]}"
}

# Whether the process that a pid file names still runs.
pid_file_alive() {
  local pid start
  [[ -r $1 ]] && read -r pid start <"$1" || return 1
  [[ $(start_time_of "$pid" || true) == "$start" ]]
}

is_running() {
  pid_file_alive "$RUN_DIR/$1.pid"
}

pid_of() {
  cut -d' ' -f1 "$RUN_DIR/$1.pid"
}

# start_process <name> <command…>: starts it in a session of its own with exactly the variables of $RUN_DIR/<name>.env (and PATH,
# HOME, LANG), its output appended to $LOG_DIR/<name>.log. Descriptors 8 and 9 are the scripts' locks: never passed on.
start_process() {
  local name=$1 pid
  shift
  touch "$RUN_DIR/$name.env"
  # shellcheck disable=SC2016  # expanded by the inner shell, so that secrets stay off every command line
  setsid env -i PATH="$PATH" HOME="${HOME:-/}" LANG=C.UTF-8 \
    bash -c 'set -a; . "$1"; set +a; shift; cd /; exec "$@"' start "$RUN_DIR/$name.env" "$@" \
    </dev/null >>"$LOG_DIR/$name.log" 2>&1 8>&- 9>&- &
  pid=$!
  disown "$pid"
  echo "$pid $(start_time_of "$pid" || echo 0)" >"$RUN_DIR/$name.pid"
}

# stop_process <name> <seconds>: TERM, then KILL when it doesn't end in time. Nothing happens when it doesn't run.
stop_process() {
  local name=$1 seconds=$2 file=$RUN_DIR/$1.pid pid
  if is_running "$name"; then
    pid=$(pid_of "$name")
    kill -TERM "$pid" 2>/dev/null || true
    if ! wait_until "$seconds" process_gone "$file"; then
      say "$name (pid $pid) did not end within $seconds s: killing it"
      kill -KILL "$pid" 2>/dev/null || true
      wait_until 5 process_gone "$file" || fail "$name (pid $pid) cannot be killed"
    fi
  fi
  rm -f "$file"
}

process_gone() {
  ! pid_file_alive "$1"
}

http_ok() {
  curl --silent --fail --output /dev/null --max-time 2 "$1"
}

# The line of a log that best says why its process isn't well: its last error, else its last line.
reason_from_log() {
  local log=$1 from=${2:-1} line
  line=$(tail -n +"$from" "$log" 2>/dev/null | grep -iE '"(error|critical|fatal)"|error|fail|required|cannot|in use' | tail -n 1 || true)
  [[ -n $line ]] || line=$(tail -n +"$from" "$log" 2>/dev/null | tail -n 1)
  echo "${line:-it logged nothing}"
}

# wait_ready <name> <url> <seconds> [first log line]: until the URL answers 2xx; one line says why not.
wait_ready() {
  local name=$1 url=$2 seconds=$3 from=${4:-1} deadline
  deadline=$(($(now_ms) + seconds * 1000))
  until http_ok "$url"; do
    if ! is_running "$name"; then
      fail "$name ended at once: $(reason_from_log "$LOG_DIR/$name.log" "$from") (log: $LOG_DIR/$name.log)"
    fi
    if (($(now_ms) >= deadline)); then
      fail "$name is not ready after $seconds s: $(curl --silent --max-time 2 "$url" | tr '\n' ' ')" \
        "$(reason_from_log "$LOG_DIR/$name.log" "$from") (log: $LOG_DIR/$name.log)"
    fi
    sleep 0.05
  done
}
