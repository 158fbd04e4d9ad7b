#!/usr/bin/env bash
# Set up what is missing and run the product: in the foreground from a terminal; with DETACH=1 or without a terminal it
# returns once the product answers.
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

PORT=${PORT:-8000}
LIVE_PORT=${LIVE_PORT:-8900}
HJ212_PORT=${HJ212_PORT:-9212}
JT808_PORT=${JT808_PORT:-9808}
HTTP_PORT=${HTTP_PORT:-9180}
MQTT_PORT=${MQTT_PORT:-9883}
GB28181_PORT=${GB28181_PORT:-9281}
EXISTING_PORT=${EXISTING_PORT:-9190}
# shellcheck disable=SC2086 # what is started again later needs them
export $PORTS
for name in $PORTS; do
  if ! [[ ${!name} =~ ^[1-9][0-9]{0,4}$ ]] || [ "${!name}" -gt 65535 ]; then
    fail "$name must be a number from 1 to 65535, not '${!name}'."
  fi
done

taken() { (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# healthy PORT: /healthz answers 200.
healthy() {
  (
    exec 8<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$1" >&8
    read -r -t 10 line <&8 && [[ $line == HTTP/*' 200'* ]]
  ) 2>/dev/null
}

everything_runs() {
  RUNNING_PORT=$(sed -n 's/^PORT=//p' "$STATE/env" 2>/dev/null) || return 1
  local name
  for name in keeper $PROGRAMS; do leads "$name" "$ROOT" || return 1; done
  leads redis "$STATE/redis" && leads mosquitto "$STATE/mosquitto" && postgres_running && healthy "$RUNNING_PORT"
}

start_product() {
  local name
  for name in $(printf '%s\n' $PROGRAMS | tac); do start_program "$name"; done
}

start_keeper() { start_process keeper "$ROOT" bash "$ROOT/deploy/keep.sh" run; }

await_product() {
  local wait name
  for ((wait = 0; wait < 300; wait++)); do
    for name in $PROGRAMS; do
      leads "$name" "$ROOT" || fail "the $name process ended while starting; the details are in $STATE/$name.log"
    done
    if healthy "$PORT" && healthy "$LIVE_PORT"; then return 0; fi
    sleep 0.2
  done
  fail "the product does not answer on ports $PORT and $LIVE_PORT after a minute; the details are in $STATE/web.log and live.log"
}

# watch_product: until Ctrl-C or `make stop`; what dies meanwhile the keeper starts again, and the keeper this does.
watch_product() {
  while sleep 1; do
    [ "$(cat "$STATE/wanted" 2>/dev/null)" = $$ ] || { TIDY=no && say "stopped" && return; }
    lives keeper "$ROOT" || start_keeper
  done
}

# Whatever way this script ends before its time, nothing stays behind.
TIDY=no
tidy() {
  local status=$?
  trap '' INT TERM HUP
  if [ $TIDY = yes ]; then stop_instance && say "stopped"; fi
  exit $status
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP

claim_place
use_instance run
only_one wait "$LOCAL/lock" "another command"
if everything_runs; then
  say "already running at http://127.0.0.1:$RUNNING_PORT (make stop ends it)"
  exit 0
fi
TIDY=yes
if stop_instance; then say "an earlier run was incomplete: starting anew"; fi
for name in $PORTS; do
  ! taken "${!name}" || fail "port ${!name} is taken by another program: choose a free one, for example $name=$((${!name} % 65535 + 1)) make run"
done
make_instance
ensure_environment run
start_services
start_mosquitto
step "migrating the database" python manage.py migrate --noinput
step "collecting the static files" python manage.py collectstatic --noinput
step "filling the demo city" python manage.py demo
echo $$ >"$STATE/wanted"
start_product
await_product
start_keeper
say "Zhutu 筑图 runs at http://127.0.0.1:$PORT"
say "OGC API landing page: http://127.0.0.1:$PORT/ogc/"
python manage.py demo --accounts
flock -u 9
if [ -n "${DETACH:-}" ] || ! [ -t 0 ]; then
  TIDY=no
  say "make stop ends it; its logs are in .local/run/"
else
  say "Ctrl-C or make stop ends it; its logs are in .local/run/"
  trap 'exit 0' INT TERM HUP
  watch_product
fi
