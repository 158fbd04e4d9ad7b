#!/usr/bin/env bash
# Set up what is missing and run the speed comparisons on their own instance; an argument names the part to run.
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

claim_place
use_instance bench
only_one refuse "$LOCAL/bench.lock" "another make bench"
trap 'stop_instance || true' EXIT
trap 'exit 130' INT TERM HUP
make_instance
(
  only_one wait "$LOCAL/lock" "another command"
  ensure_environment bench
)
start_services
step "migrating the database" python manage.py migrate --noinput
step "collecting the static files" python manage.py collectstatic --noinput
python -m tests.bench "$@"
