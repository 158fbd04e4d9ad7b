#!/usr/bin/env bash
# Set up what is missing, then every check and every test on the test instance; the arguments go to pytest.
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

# check COMMAND...: one line when it holds, its whole output when it does not.
check() {
  local began=$SECONDS output
  output=$("$@" 2>&1 </dev/null) || {
    echo "$output"
    fail "$* failed after $((SECONDS - began)) s"
  }
  say "$* … $((SECONDS - began)) s"
}

# ensure_browser: the machine's Chromium, or the one that Playwright downloads.
ensure_browser() {
  if ZHUTU_CHROMIUM=$(find_chromium); then
    export ZHUTU_CHROMIUM
  else
    unset ZHUTU_CHROMIUM
    export PLAYWRIGHT_BROWSERS_PATH=$LOCAL/browsers
    compgen -G "$LOCAL/browsers/chromium*" >/dev/null || step "installing a browser" python -m playwright install --with-deps --only-shell chromium
  fi
}

claim_place
use_instance test
only_one refuse "$LOCAL/test.lock" "another make test"
trap 'stop_instance || true' EXIT
trap 'exit 130' INT TERM HUP
make_instance
(
  only_one wait "$LOCAL/lock" "another command"
  ensure_environment test
)
ensure_browser
start_services
step "collecting the static files" python manage.py collectstatic --noinput
check ruff check .
check ruff format --check .
check mypy
check lint-imports
check python manage.py check
check python manage.py makemigrations --check --dry-run
check python manage.py catalog --check
check python manage.py requirements --check
check npm run typecheck
# Much of it is waiting, so three share two processors; a file stays whole, as what it sets up may not be there twice.
python -m pytest -n 3 --dist loadfile --no-loadscope-reorder "$@"
