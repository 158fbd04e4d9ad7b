# The product's programs: how each is started, and how one that died is started again; sourced.
# shellcheck shell=bash

PORTS='PORT LIVE_PORT HJ212_PORT JT808_PORT HTTP_PORT MQTT_PORT GB28181_PORT EXISTING_PORT'
WORKER=(python -m celery -A command_center worker --loglevel INFO --without-gossip --without-mingle)

# start_program NAME: on the ports that the environment names.
start_program() {
  local -a command=(python manage.py "$1")
  case $1 in
    web)
      # A second thread, because the first mostly waits for PostgreSQL.
      command=(python -m granian --interface wsgi command_center.wsgi:application --host 127.0.0.1 --port "$PORT"
        --workers 2 --blocking-threads 2 --no-ws --respawn-failed-workers)
      ;;
    live)
      command=(python -m granian --interface asgi command_center.live:application --host 127.0.0.1 --port "$LIVE_PORT"
        --workers 1 --no-ws --workers-kill-timeout 2 --respawn-failed-workers)
      ;;
    # Two kinds of workers: what people wait for is held up by no slow report, pull or message.
    worker) command=("${WORKER[@]}" --queues interactive --hostname interactive@%h --concurrency 2) ;;
    background) command=("${WORKER[@]}" --queues background --hostname background@%h --concurrency 3) ;;
    gateway)
      command+=("hj212:$HJ212_PORT" "jt808:$JT808_PORT" "http:$HTTP_PORT" "mqtt:$MQTT_PORT" "gb28181:$GB28181_PORT")
      ;;
    simulator)
      command=(python manage.py simulate --register 60 --works 11 --past 72 --port "$HJ212_PORT" --interval 20
        --trucks 10 --to projects --walkers 8 --history 4 --jt808-port "$JT808_PORT" --existing-port "$EXISTING_PORT"
        --ipc 24 --nvr 2 --gb28181-port "$GB28181_PORT"
        --boxes 4 --mixing 3 --web "http://127.0.0.1:$PORT" --memory "$STATE/witness")
      ;;
  esac
  # By this name it is known in the collected logs and among the sessions of the database.
  ZHUTU_PROGRAM=$1 start_process "$1" "$ROOT" "${command[@]}"
}

# lives NAME FOLDER: as leads, without a look at every process of the machine.
lives() {
  local leader=
  { read -r leader <"$STATE/$1.pid"; } 2>/dev/null || true
  [ -n "$leader" ] && [ "/proc/$leader/cwd" -ef "$2" ]
}

# alive NAME: a program, or what the programs stand on.
alive() {
  local leader=
  case $1 in
    postgres)
      { read -r leader <"$PG/data/postmaster.pid"; } 2>/dev/null || true
      [ -n "$leader" ] && [ "/proc/$leader/cwd" -ef "$PG/data" ]
      ;;
    redis | mosquitto) lives "$1" "$STATE/$1" ;;
    *) lives "$1" "$ROOT" ;;
  esac
}

# revive NAME: run again what is dead.
revive() {
  say "$(date '+%F %T') $1 is dead and is started again"
  case $1 in
    postgres | redis | mosquitto) "start_$1" ;;
    *)
      # The children of a killed program would hold its port.
      [ -z "$(members "$1" "$ROOT")" ] || kill -KILL -- "-$(<"$STATE/$1.pid")" || true
      start_program "$1"
      ;;
  esac
}
