# shellcheck shell=bash
# Private Postgres 15 clusters: a directory with data/, password and server.log, on the loopback address and a port of
# their own, without a Unix socket. Postgres refuses to run as root; then it runs as the package's user `postgres`, and
# the cluster must lie where that user may go, whatever the place of the checkout. The system's own cluster on 5432 is
# neither used nor touched.

readonly PG_BIN=${BILLMESH_PG_BIN:-/usr/lib/postgresql/15/bin}

# Runs a command as the user that owns the clusters, from a directory that this user may be in.
as_postgres() {
  if ((EUID == 0)); then
    (cd / && exec runuser -u postgres -- "$@")
  else
    (cd / && exec "$@")
  fi
}

# Where `up` keeps its cluster: always the same place for a checkout, so that it's found again after build/ was deleted.
pg_home() {
  if ((EUID == 0)); then
    echo "/var/lib/postgresql/billmesh-$(sha256sum <<<"$BILLMESH_ROOT" | cut -c1-12)"
  else
    echo "$LOCAL_DIR/postgres"
  fi
}

# pg_create <dir> <scram-sha-256|trust>: makes the cluster with superuser `postgres`, whose password is in <dir>/password.
pg_create() {
  local dir=$1 auth=$2
  [[ -x $PG_BIN/initdb ]] || fail "$PG_BIN/initdb is missing; deploy/local/packages installs Postgres 15"
  mkdir -p "$dir"
  chmod 0700 "$dir"
  (umask 077 && random_hex 24 >"$dir/password")
  ((EUID != 0)) || chown -R postgres: "$dir"
  as_postgres "$PG_BIN/initdb" --pgdata="$dir/data" --username=postgres --pwfile="$dir/password" --encoding=UTF8 \
    --locale=C.UTF-8 --auth=scram-sha-256 >"$dir/initdb.log" 2>&1 \
    || fail "initdb failed: $(tail -n 1 "$dir/initdb.log") (log: $dir/initdb.log)"
  printf 'host all all 127.0.0.1/32 %s\n' "$auth" >"$dir/data/pg_hba.conf"
  cat >>"$dir/data/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
min_wal_size = 1GB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
CONF
}

pg_running() {
  [[ -d $1/data ]] && as_postgres "$PG_BIN/pg_ctl" --pgdata="$1/data" status >/dev/null 2>&1
}

# The port that a running cluster listens on: the fourth line of its lock file.
pg_port() {
  sed -n 4p "$1/data/postmaster.pid"
}

# pg_start <dir> <port> [server options]: starts it and waits, at most 60 s, until it takes connections.
pg_start() {
  local dir=$1 port=$2 options=${3:-}
  as_postgres "$PG_BIN/pg_ctl" --pgdata="$dir/data" --log="$dir/server.log" --wait --timeout=60 \
    --options="-p $port $options" start </dev/null >/dev/null 2>&1 8>&- 9>&-
}

# pg_stop <dir>: a fast shutdown within 30 s, else an immediate one (which loses nothing: the log is replayed at the next start).
pg_stop() {
  pg_running "$1" || return 0
  as_postgres "$PG_BIN/pg_ctl" --pgdata="$1/data" --mode=fast --wait --timeout=30 stop >/dev/null 2>&1 \
    || as_postgres "$PG_BIN/pg_ctl" --pgdata="$1/data" --mode=immediate --wait --timeout=30 stop >/dev/null 2>&1
}

pg_remove() {
  pg_stop "$1"
  [[ -d $1/data && -f $1/password ]] || fail "$1 does not look like a cluster of ours; it is left alone"
  rm -rf -- "$1"
}

# pg_sql <dir> <database> <psql arguments…>: as superuser of a running cluster; quiet, unaligned, stops at the first error. The
# password travels in the environment, not on a command line.
pg_sql() {
  local dir=$1 database=$2
  shift 2
  PGPASSWORD=$(cat "$dir/password") "$PG_BIN/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
    --host=127.0.0.1 --port="$(pg_port "$dir")" --username=postgres --dbname="$database" "$@"
}

# The superuser's URL of a database of a running cluster.
pg_url() {
  echo "postgresql://postgres:$(cat "$1/password")@127.0.0.1:$(pg_port "$1")/$2"
}
