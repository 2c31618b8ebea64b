# shellcheck shell=bash
# The database of the local mesh: cluster, schema, and the login roles' passwords. Uses base, ports, postgres and mesh.

start_postgres() {
  local home
  home=$(pg_home)
  step "starting postgres" "$home/server.log"
  if pg_running "$home" && [[ $(pg_port "$home") == "${PORT[postgres]}" ]]; then
    say "postgres runs already (port ${PORT[postgres]})"
    return
  fi
  pg_stop "$home"
  require_free_port postgres
  if [[ -d $home && ! -e $home/data/PG_VERSION ]]; then
    say "$home holds no finished cluster (an earlier start was cut short): making it anew"
    rm -rf -- "$home"
  fi
  if [[ ! -d $home ]]; then
    say "  making a cluster of its own in $home"
    pg_create "$home" scram-sha-256
  fi
  pg_start "$home" "${PORT[postgres]}" || fail "postgres does not start: $(tail -n 1 "$home/server.log") (log: $home/server.log)"
}

database_exists() {
  [[ $(pg_sql "$(pg_home)" postgres --command="SELECT 1 FROM pg_database WHERE datname = '$DATABASE'") == 1 ]]
}

# The simulator keeps its objects in memory. When it begins anew, what the database knows of the old one (prices,
# customers, subscriptions) points nowhere; so the two begin together.
forget_old_simulator() {
  local name
  database_exists || return 0
  say "the simulator starts empty, so its database starts anew with it"
  for name in "${DAEMONS[@]}"; do
    stop_process "$name" "$STOP_SECONDS"
  done
  pg_sql "$(pg_home)" postgres --command="DROP DATABASE $DATABASE WITH (FORCE)"
}

migrate() {
  step "applying migrations" "$LOG_DIR/migrate.log"
  database_exists || pg_sql "$(pg_home)" postgres --command="CREATE DATABASE $DATABASE"
  # Notices about roles that are there already would bury what was applied.
  DATABASE_URL=$(pg_url "$(pg_home)" "$DATABASE") PGOPTIONS="--client-min-messages=warning" "$(binary_of billctl)" migrate \
    --dir "$BILLMESH_ROOT/deploy/migrations" >"$LOG_DIR/migrate.log" 2>&1 \
    || fail "billctl migrate failed: $(tail -n 1 "$LOG_DIR/migrate.log") (log: $LOG_DIR/migrate.log); deploy/local/down --purge removes the old database"
  sed 's/^/             /' "$LOG_DIR/migrate.log"
}

# Migrations make the login roles without passwords; here they get theirs.
set_role_passwords() {
  local role
  for role in checkout webhook entitlements reconciler; do
    printf "ALTER ROLE billmesh_%s PASSWORD '%s';\n" "$role" "$(secret "role-$role")"
  done | pg_sql "$(pg_home)" postgres
}
