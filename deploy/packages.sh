# What the machine must have, found or installed with apt; sourced.
# shellcheck shell=bash

# find_postgres MAJOR...: the program folder of the first of these PostgreSQL that has PostGIS >= 3.3 with rasters.
find_postgres() {
  local major extension version
  for major in "$@"; do
    extension=/usr/share/postgresql/$major/extension
    if ! [ -x "/usr/lib/postgresql/$major/bin/initdb" ] || ! [ -f "$extension/postgis_raster.control" ]; then continue; fi
    version=$(sed -n "s/^default_version = '\([0-9]*\.[0-9]*\).*/\1/p" "$extension/postgis.control")
    [ "$(printf '%s\n' 3.3 "$version" | sort -V | head -n 1)" = 3.3 ] || continue
    echo "/usr/lib/postgresql/$major/bin"
    return
  done
  return 1
}

# first_python CODE: the first interpreter that runs CODE without complaint. A pyenv shim may exist and only answer
# "command not found", so each candidate is tried, and pyenv's own folders after the names on the path.
first_python() {
  local python
  for python in python3.14 python3.13 python3.12 python3 "${HOME:-/nowhere}"/.pyenv/versions/3.1[2-9]*/bin/python /usr/bin/python3; do
    if python=$(command -v "$python") && "$python" -c "$1" 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}
find_python() { first_python 'import sys; sys.exit(sys.version_info < (3, 12))'; }
find_venv_python() { first_python 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))'; }

# The one without windows starts and draws faster.
find_chromium() { command -v chromium-headless-shell || command -v chromium || command -v google-chrome || command -v chromium-browser; }

# Debian puts it where an ordinary user does not look.
find_mosquitto() { command -v mosquitto || { [ -x /usr/sbin/mosquitto ] && echo /usr/sbin/mosquitto; }; }

# broker_user: as whom root starts it. as_broker COMMAND...: run as that user.
broker_user() { if id mosquitto >/dev/null 2>&1; then echo mosquitto; else echo nobody; fi; }
as_broker() {
  local user
  user=$(broker_user)
  setpriv --reuid="$user" --regid="$(id -gn "$user")" --init-groups -- "$@"
}

# missing_packages run|test: "postgis" stands for the PostgreSQL and PostGIS packages of the best version on offer.
missing_packages() {
  find_postgres 17 16 15 >/dev/null || echo postgis
  command -v redis-server >/dev/null || echo redis-server
  find_mosquitto >/dev/null || echo mosquitto
  command -v msgfmt >/dev/null || echo gettext
  find_venv_python >/dev/null || printf '%s\n' python3 python3-venv
  # The load generator of the speed comparisons.
  [ "$1" != bench ] || command -v wrk >/dev/null || echo wrk
  [ "$1" = test ] || return 0
  # Ubuntu's is a snap that cannot run in a container: test.sh lets Playwright bring its own there.
  find_chromium >/dev/null || grep -qx 'ID=ubuntu' /etc/os-release || echo chromium-headless-shell
  compgen -G '/usr/share/fonts/*/*/*CJK*' >/dev/null || echo fonts-noto-cjk
  # Networks that swallow everything.
  command -v ip >/dev/null || echo iproute2
  # Clocks that jump.
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo libfaketime
}

# may_sudo: without a password, or with one asked for on the terminal.
may_sudo() { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; }

# ensure_packages run|test|bench
ensure_packages() {
  local -a missing as_root=()
  mapfile -t missing < <(missing_packages "$1")
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "this machine has no apt; please install by hand: ${missing[*]}."
  if [ "$(id -u)" -ne 0 ]; then
    if ! may_sudo; then
      fail "some packages are missing and need root: sudo apt-get install $(bash deploy/install-packages.sh --names "${missing[@]}")"
    fi
    as_root=(sudo)
  fi
  need_space /usr 2000
  step "installing ${missing[*]} with apt" "${as_root[@]}" bash deploy/install-packages.sh "${missing[@]}"
  hash -r
}
