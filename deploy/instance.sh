# One instance (run, test or bench): its folder, its Redis and its other processes; sourced.
# shellcheck shell=bash

# use_instance run|test|bench
# shellcheck disable=SC2034 # cluster.sh reads PG and CLUSTER_USER
use_instance() {
  INSTANCE=$1
  STATE=$LOCAL/$1
  LOG=$STATE/setup.log
  PG=$STATE/pg
  CLUSTER_USER=$(id -un)
  [ "$(id -u)" -ne 0 ] || CLUSTER_USER=postgres
  PLACE_HASH=$(sha256sum <<<"$ROOT" | cut -c 1-8)
}

# make_instance: the folder and an empty log.
make_instance() {
  [ -e "$STATE/mosquitto" ] || rm -f "$STATE/mosquitto"
  mkdir -p "$STATE/media" "$STATE/redis" "$STATE/mosquitto"
  : >"$LOG"
}

# socket_folder FOLDER SOCKET: FOLDER, or a short one where the kernel's 107 bytes or a client's URL could not carry it.
socket_folder() {
  local plain='^[A-Za-z0-9/._-]+$' short=${TMPDIR:-/tmp}
  if [[ $1 =~ $plain ]] && [ $((${#1} + 1 + ${#2})) -le 107 ]; then
    echo "$1"
    return
  fi
  if ! [[ $short =~ $plain ]] || [ ${#short} -gt 60 ] || ! as_cluster test -x "$short"; then short=/tmp; fi
  short=$short/zhutu-$(id -u)-$PLACE_HASH-$INSTANCE
  mkdir -m 711 "$short" 2>/dev/null || true
  [ -O "$short" ] || fail "$short belongs to someone else: remove it, or set TMPDIR to a folder of your own."
  echo "$short"
}

# A process is known by the group number in its pid file and by the folder that it works in, so that a number which the
# system has given to a stranger since then is never signalled.

# members NAME FOLDER: the living processes of that group.
members() {
  local leader stat line pid group
  [ -s "$STATE/$1.pid" ] || return 0
  leader=$(<"$STATE/$1.pid")
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    pid=${line%% *}
    read -r _ _ group _ <<<"${line##*) }"
    if [ "$group" = "$leader" ] && [ "/proc/$pid/cwd" -ef "$2" ]; then echo "$pid"; fi
  done
}

# leads NAME FOLDER: true when the process that the pid file names lives.
leads() { [ -s "$STATE/$1.pid" ] && grep -qxF "$(<"$STATE/$1.pid")" <<<"$(members "$@")"; }

# start_process NAME FOLDER COMMAND...: in a session of its own, so that Ctrl-C reaches only this script.
start_process() {
  local name=$1 folder=$2
  shift 2
  [ ! -f "$STATE/$name.log" ] || mv "$STATE/$name.log" "$STATE/$name.log.1"
  (cd "$folder" && exec setsid "$@" </dev/null >"$STATE/$name.log" 2>&1 9>&-) &
  disown
  echo $! >"$STATE/$name.pid"
  # Until setsid has run it is a member of this script's own group.
  while kill -0 $! 2>/dev/null && ! leads "$name" "$folder"; do sleep 0.05; done
}

# stop_process NAME FOLDER: ask, wait, then insist; true when there was something to stop.
stop_process() {
  local leader wait
  if [ -z "$(members "$@")" ]; then
    rm -f "$STATE/$1.pid"
    return 1
  fi
  leader=$(<"$STATE/$1.pid")
  kill -TERM "$leader" 2>/dev/null || kill -TERM -- "-$leader" 2>/dev/null || true
  for ((wait = 0; wait < 75; wait++)); do
    [ -n "$(members "$@")" ] || break
    sleep 0.2
  done
  if [ -n "$(members "$@")" ]; then kill -KILL -- "-$leader" 2>/dev/null || true; fi
  rm -f "$STATE/$1.pid"
}

redis_answers() { [ "$(redis-cli -s "$REDIS_SOCKET" ping 2>/dev/null)" = PONG ]; }

start_redis() {
  local wait
  local -a keep=(--appendonly yes)
  REDIS_SOCKET=$(socket_folder "$STATE" redis.sock)/redis.sock
  ! redis_answers || return 0
  [ "$INSTANCE" = run ] || keep=(--save '')
  start_process redis "$STATE/redis" redis-server --port 0 --unixsocket "$REDIS_SOCKET" --unixsocketperm 700 "${keep[@]}"
  for ((wait = 0; wait < 50; wait++)); do
    ! redis_answers || return 0
    leads redis "$STATE/redis" || break
    sleep 0.2
  done
  fail "Redis did not start; the details are in $STATE/redis.log"
}

# make_broker_folder: .local/<instance>/mosquitto, or a link to a folder that the broker's user can reach.
make_broker_folder() {
  local folder=/var/lib/zhutu-$PLACE_HASH/$INSTANCE-mosquitto
  if [ "$(id -u)" -ne 0 ] || [ -L "$STATE/mosquitto" ] || as_broker test -x "$STATE"; then return; fi
  mkdir -p "$folder"
  # What an earlier version kept moves along.
  cp -a "$STATE/mosquitto/." "$folder/"
  rm -rf "$STATE/mosquitto"
  ln -s "$folder" "$STATE/mosquitto"
}

# start_mosquitto: only where devices come in; tests start brokers of their own.
start_mosquitto() {
  local wait
  make_broker_folder
  ! leads mosquitto "$STATE/mosquitto" || return 0
  start_process mosquitto "$STATE/mosquitto" bash "$ROOT/deploy/broker.sh" "$STATE/mosquitto" "$MQTT_PORT"
  for ((wait = 0; wait < 50; wait++)); do
    leads mosquitto "$STATE/mosquitto" || break
    ! (exec 8<>"/dev/tcp/127.0.0.1/$MQTT_PORT") 2>/dev/null || return 0
    sleep 0.2
  done
  fail "the MQTT broker did not start; the details are in $STATE/mosquitto.log"
}

# write_env: what the product reads, for its processes and, in .local/env, for manage.py by hand.
write_env() {
  [ -s "$STATE/secret" ] || (umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$STATE/secret")
  (
    umask 077
    cat >"$STATE/env.new" <<END
ZHUTU_PGHOST=$PG_SOCKETS
ZHUTU_PGUSER=zhutu
ZHUTU_PGDATABASE=zhutu
ZHUTU_REDIS_URL=unix://$REDIS_SOCKET
ZHUTU_SECRET_KEY=$(<"$STATE/secret")
ZHUTU_MEDIA=$STATE/media
ZHUTU_MQTT=$STATE/mosquitto
ZHUTU_DISKS=$STATE/media:$PG
ZHUTU_SERVER_LOG=$PG/logs
PORT=${PORT:-8000}
LIVE_PORT=${LIVE_PORT:-8900}
END
  )
  mv "$STATE/env.new" "$STATE/env"
  [ "$INSTANCE" != run ] || cp -p "$STATE/env" "$LOCAL/env"
  local line
  while IFS= read -r line; do export "${line?}"; done <"$STATE/env"
}

start_services() {
  start_postgres
  start_redis
  write_env
}

# What run.sh starts, in the order in which it ends: devices before the gateway, the gateway before what it feeds. The
# keeper, which would start them again, ends before them all.
PROGRAMS=${ZHUTU_PROGRAMS:-simulator gateway telemetry alarms surfaces notify watch subscriptions live web worker background}

# stop_instance: true when there was something to stop.
stop_instance() {
  local stopped=1 name
  [ -d "$STATE" ] || return 1
  rm -f "$STATE/wanted"
  for name in keeper $PROGRAMS; do
    ! stop_process "$name" "$ROOT" || stopped=0
  done
  ! stop_process mosquitto "$STATE/mosquitto" || stopped=0
  ! stop_process redis "$STATE/redis" || stopped=0
  ! stop_postgres || stopped=0
  return $stopped
}
