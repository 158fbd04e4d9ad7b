#!/usr/bin/env bash
# Set up what is missing and play a large city on an instance of its own until Ctrl-C or for so many seconds: monitors and
# trucks send to the gateway; every ten seconds a line says what was sent and how soon it was acknowledged.
#   DEVICES=5000 TRUCKS=500 INTERVAL=10 FOR=120 make load
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

DEVICES=${DEVICES:-5000} TRUCKS=${TRUCKS:-500} INTERVAL=${INTERVAL:-10} FOR=${FOR:-0}
HJ212_PORT=${HJ212_PORT:-9312} JT808_PORT=${JT808_PORT:-9908}
for name in DEVICES TRUCKS INTERVAL FOR HJ212_PORT JT808_PORT; do
  [[ ${!name} =~ ^[0-9]+$ ]] || fail "$name must be a whole number, not '${!name}'."
done

claim_place
use_instance load
only_one refuse "$LOCAL/load.lock" "another make load"
trap 'stop_instance || true' EXIT
trap 'exit 130' INT TERM HUP
make_instance
(
  only_one wait "$LOCAL/lock" "another command"
  ensure_environment run
)
start_services
step "migrating the database" python manage.py migrate --noinput
step "filling the large city" python manage.py demo --bench
start_process gateway "$ROOT" python manage.py gateway "hj212:$HJ212_PORT" "jt808:$JT808_PORT"
start_process telemetry "$ROOT" python manage.py telemetry
start_process alarms "$ROOT" python manage.py alarms
say "$DEVICES monitors and $TRUCKS trucks, a packet every $INTERVAL seconds; the gateway's log is $STATE/gateway.log"
timeout --foreground --signal=TERM "$FOR" python manage.py simulate --register "$DEVICES" --most "$DEVICES" \
  --interval "$INTERVAL" --port "$HJ212_PORT" --trucks "$TRUCKS" --to projects --jt808-port "$JT808_PORT" || [ $? -eq 124 ]
python manage.py shell --verbosity 0 --command \
  'from services.telemetry.models import Reading; print("readings stored:", Reading.objects.count())'
