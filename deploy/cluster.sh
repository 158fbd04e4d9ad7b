# The private PostgreSQL cluster of an instance: made, mended, started, stopped; sourced.
# Root and the user of the set-up enter over the unix socket by who they are (peer); nobody else does, and there is no port.
# shellcheck shell=bash

as_cluster() {
  if [ "$(id -u)" -ne 0 ]; then
    (cd / && "$@")
  else
    (cd / && setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
  fi
}

# pg_pids: the processes that work in the data folder.
pg_pids() {
  local folder cwd
  folder=$(realpath -q "$PG/data") || return 0
  for cwd in /proc/[0-9]*/cwd; do
    if [ "$(readlink "$cwd")" = "$folder" ]; then echo "${cwd//[^0-9]/}"; fi
  done
}
postmaster() { head -n 1 "$PG/data/postmaster.pid"; }
postgres_running() { [ -s "$PG/data/postmaster.pid" ] && grep -qxF "$(postmaster)" <<<"$(pg_pids)"; }

# make_cluster_folder: .local/<instance>/pg, or a link to a folder that the postgres user can reach.
make_cluster_folder() {
  local folder=$PG
  if [ ! -e "$PG" ]; then
    rm -f "$PG"
    if ! as_cluster test -x "$STATE"; then
      folder=/var/lib/zhutu-$PLACE_HASH/$INSTANCE
      ln -s "$folder" "$PG"
    fi
    mkdir -p "$folder"
    chown "$CLUSTER_USER" "$folder"
    chmod 700 "$folder"
  fi
  PG=$(realpath "$PG")
}

# create_data BIN: initdb beside the final name, so that a folder called data is always a whole cluster.
create_data() {
  rm -rf "$PG/data.new"
  as_cluster "$1/initdb" -D "$PG/data.new" -U postgres -E UTF8 --locale=C.UTF-8 --auth=peer
  echo "include '../zhutu.conf'" >>"$PG/data.new/postgresql.conf"
  as_cluster mv "$PG/data.new" "$PG/data"
}

# mend_data: clear away what an interrupted set-up, a killed server or a reused process number left behind.
mend_data() {
  local wait lock
  [ -d "$PG/data" ] || rm -f "$PG/.ready" "$PG/.watched"
  if [ -d "$PG/data" ] && { [ ! -s "$PG/data/PG_VERSION" ] || [ ! -s "$PG/data/global/pg_control" ]; }; then
    [ -z "$(ls -A "$PG/data/base" 2>/dev/null)" ] ||
      fail "the database in $PG/data is damaged: put back a copy of that folder, or lose its data with make clean."
    rm -rf "$PG/data" "$PG/.ready" "$PG/.watched"
  fi
  # The children of a killed server end by themselves; only then may its lock file go.
  for ((wait = 0; wait < 50; wait++)); do
    [ -n "$(pg_pids)" ] || break
    sleep 0.2
  done
  [ -z "$(pg_pids)" ] || fail "processes of a killed PostgreSQL still work in $PG/data: end them ($(pg_pids | xargs)) and run this again."
  rm -f "$PG/data/postmaster.pid"
  lock=$PG_SOCKETS/.s.PGSQL.5432.lock
  if [ -e "$lock" ] && [ "$(cat "/proc/$(head -n 1 "$lock")/comm" 2>/dev/null)" != postgres ]; then rm -f "$lock"; fi
}

# boot_cluster BIN: with the server's own words in the log when it refuses.
boot_cluster() {
  as_cluster "$1/pg_ctl" -D "$PG/data" -l "$PG/log" -w start && return
  tail -q -n 20 "$PG/log" "$PG/logs/$(date -u +%F)".*
  return 1
}

# memory_mb: what this machine or this container has.
memory_mb() {
  local limit
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  awk -v limit="$limit" '/^MemTotal/ { kb = $2; if (limit != "max" && limit / 1024 < kb) kb = limit / 1024; print int(kb / 1024) }' /proc/meminfo
}

# configure_cluster: written at every start, so that a newer version of this file reaches older clusters.
configure_cluster() {
  local quarter=$(($(memory_mb) / 4)) role
  cat >"$PG/zhutu.conf" <<END
listen_addresses = ''
unix_socket_directories = '$PG_SOCKETS'
hba_file = '$PG/hba.conf'
ident_file = '$PG/ident.conf'
shared_buffers = $((quarter < 1024 ? quarter : 1024))MB
work_mem = 32MB
random_page_cost = 1.1
jit = off
# A parallel worker builds the PROJ pipeline anew: tiles become ten times slower.
max_parallel_workers_per_gather = 0
postgis.gdal_enabled_drivers = 'GTiff'
# The database audit reads who comes and what they change of the structure; no role of the product can switch it off.
logging_collector = on
log_destination = 'jsonlog'
log_directory = '$PG/logs'
log_filename = '%Y-%m-%d.log'
log_rotation_age = 1d
log_rotation_size = 0
log_timezone = 'UTC'
log_connections = on
log_statement = ddl
END
  mkdir -p "$PG/logs"
  chmod 700 "$PG/logs"
  chown "$CLUSTER_USER" "$PG/logs"
  [ "$INSTANCE" != test ] || printf '%s = off\n' fsync synchronous_commit full_page_writes >>"$PG/zhutu.conf"
  echo 'local all all peer map=zhutu' >"$PG/hba.conf"
  for role in postgres zhutu; do
    printf 'zhutu "%s" %s\n' root "$role" "$(id -un)" "$role" "$CLUSTER_USER" "$role"
  done | sort -u >"$PG/ident.conf"
  chown "$CLUSTER_USER" "$PG/zhutu.conf" "$PG/hba.conf" "$PG/ident.conf"
}

# create_database BIN: the product's role is no superuser, so what only a superuser may install goes into the template
# that its databases, test databases included, are made from.
create_database() {
  local -a psql=(env "PGAPPNAME=zhutu deploy" "$1/psql" -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKETS" -U postgres)
  "${psql[@]}" -d template1 -c "CREATE EXTENSION IF NOT EXISTS postgis" -c "CREATE EXTENSION IF NOT EXISTS postgis_raster"
  "${psql[@]}" -d postgres <<'END'
SELECT 'CREATE ROLE zhutu LOGIN CREATEDB CREATEROLE' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'zhutu') \gexec
SELECT 'CREATE DATABASE zhutu OWNER zhutu' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'zhutu') \gexec
END
  touch "$PG/.ready"
}

# let_watch BIN: the product sees the sessions of other roles, and its administrators may end them.
let_watch() {
  PGAPPNAME='zhutu deploy' "$1/psql" -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKETS" -U postgres -d postgres \
    -c 'GRANT pg_monitor, pg_signal_backend TO zhutu'
  touch "$PG/.watched"
}

start_postgres() {
  local major bin
  make_cluster_folder
  PG_SOCKETS=$(socket_folder "$PG" .s.PGSQL.5432.lock)
  if [ "$PG_SOCKETS" != "$PG" ]; then
    PG_SOCKETS=$PG_SOCKETS/pg
    mkdir -p "$PG_SOCKETS"
    chmod 700 "$PG_SOCKETS"
    chown "$CLUSTER_USER" "$PG_SOCKETS"
  fi
  if ! postgres_running; then
    mend_data
    major=$(cat "$PG/data/PG_VERSION" 2>/dev/null || true)
    # shellcheck disable=SC2086 # three words
    bin=$(find_postgres ${major:-17 16 15}) || fail "the database in $PG was made by PostgreSQL $major: install postgresql-$major-postgis-3, or lose its data with make clean."
    [ -d "$PG/data" ] || step "creating the database cluster" create_data "$bin"
    configure_cluster
    step "starting PostgreSQL" boot_cluster "$bin" 9>&-
  fi
  bin=$(find_postgres "$(<"$PG/data/PG_VERSION")")
  [ -e "$PG/.ready" ] || step "creating the database" create_database "$bin"
  [ -e "$PG/.watched" ] || step "letting the product watch the database" let_watch "$bin"
}

# stop_postgres: true when there was something to stop.
stop_postgres() {
  local bin
  postgres_running || return 1
  bin=$(find_postgres "$(<"$PG/data/PG_VERSION")") || bin=$(dirname "$(realpath "/proc/$(postmaster)/exe")")
  as_cluster "$bin/pg_ctl" -D "$PG/data" -m fast -w -t 30 stop >/dev/null 2>&1 ||
    as_cluster "$bin/pg_ctl" -D "$PG/data" -m immediate -w stop >/dev/null 2>&1
}
