# Where things are and how the scripts of this folder speak; each command sources it, and it brings in the rest.
# shellcheck shell=bash
set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
LOCAL=$ROOT/.local
export LC_ALL=C.UTF-8
export PATH="$LOCAL/venv/bin:$LOCAL/node/bin:$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
cd "$ROOT"

# A caller's database, Python or projection settings would lead our own programs astray; and without compiled modules
# each of the many starts would take half as long again.
# shellcheck disable=SC2086
unset ${!PG@} PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV PROJ_DATA PROJ_LIB GDAL_DATA DJANGO_SETTINGS_MODULE CDPATH

say() { echo "zhutu: $*"; }
fail() {
  echo "zhutu: $*" >&2
  exit 1
}

# claim_place: make .local, and refuse to mix two users' files in it.
claim_place() {
  mkdir -p "$LOCAL" 2>/dev/null || fail "cannot write in $ROOT: give this user the right to, or free some disk space."
  [ -O "$LOCAL" ] || fail "$LOCAL belongs to $(stat -c %U "$LOCAL"): run this as that user, or make clean as that user first."
  id -un >/dev/null 2>&1 || fail "user number $(id -u) has no name on this machine, and PostgreSQL needs one."
  if [ ! -w "${HOME:-/nowhere}" ]; then
    export HOME=$LOCAL/home
    mkdir -p "$HOME"
  fi
}

# need_space FOLDER MEGABYTES
need_space() {
  local free
  free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$2" ] || fail "the disk of $1 has $free MB free and $2 MB are needed: free some space and run this again."
}

# only_one WAIT LOCKFILE WHAT: hold the lock until this script ends, or say what holds it.
only_one() {
  exec 9>"$2"
  flock -n 9 && return
  [ "$1" = wait ] || fail "$3 is at work in this folder: wait for its end, or make stop."
  say "waiting for $3 in this folder to end its set-up"
  flock 9
}

# step WHAT COMMAND...: run it with its output in the log; one line, whether it succeeds or fails.
step() {
  local what=$1 began=$SECONDS status
  shift
  printf 'zhutu: %s … ' "$what"
  echo "== $what" >>"$LOG"
  # Not `if ! (…)`: bash ignores `set -e` inside a condition.
  set +e
  (
    set -e
    "$@"
  ) >>"$LOG" 2>&1 </dev/null
  status=$?
  set -e
  if [ $status -eq 0 ]; then
    echo "$((SECONDS - began)) s"
    return
  fi
  echo failed
  if tail -n 40 "$LOG" | grep -qi 'no space left on device'; then
    fail "the disk is full: free some space and run this again."
  fi
  fail "$what failed; the details are at the end of $LOG"
}

source deploy/packages.sh
source deploy/environment.sh
source deploy/instance.sh
source deploy/programs.sh
source deploy/cluster.sh
