#!/usr/bin/env bash
# Install Debian packages as root without starting a service or creating a database cluster of the system's own.
# `--names` only prints what would be installed; the name "postgis" stands for the newest PostgreSQL 15-17 with PostGIS.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
apt_install() { apt-get install -y --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=300 "$@"; }
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p'; }

package_names() {
  local name major
  for name in "$@"; do
    case $name in
      postgis)
        for major in 17 16 15 ''; do
          case $(candidate "postgresql-$major-postgis-3") in '' | '(none)') ;; *) break ;; esac
        done
        # No list of packages yet: the names that every release has.
        [ -n "$major" ] && echo "postgresql-$major postgresql-$major-postgis-3" || echo "postgresql postgresql-postgis"
        ;;
      *) echo "$name" ;;
    esac
  done
}

# replace FILE TEXT / put_back FILE: ours stands in for the machine's file; a run cut short is healed by the next.
replace() {
  if [ -e "$1" ]; then mv "$1" "$1.zhutu-saved"; fi
  printf '%s\n' "$2" >"$1"
}
put_back() {
  if [ -e "$1.zhutu-saved" ]; then
    mv "$1.zhutu-saved" "$1"
  elif grep -qs 'for zhutu' "$1"; then
    rm "$1"
  fi
}
restore() {
  put_back $policy
  put_back $clusters
}

if [ "$1" = --names ]; then
  shift
  package_names "$@" | xargs
  exit
fi

restore
trap restore EXIT
trap 'exit 130' INT TERM HUP
# A third-party source that is down need not stop us: what matters is whether the packages can be had.
apt-get update -q || true
read -ra names < <(package_names "$@" | xargs)
replace $policy "#!/bin/sh
# for zhutu: nothing starts while its packages are installed
exit 101"
chmod 755 $policy
if [[ " ${names[*]} " == *' postgresql'* ]]; then
  apt_install postgresql-common
  replace $clusters "# for zhutu
create_main_cluster = false"
fi
# Ours are started by the project: a service that these packages bring must not start with the machine.
services=()
for name in redis-server mosquitto; do
  if [[ " ${names[*]} " == *" $name "* && $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) != *' installed' ]]; then
    services+=("$name")
  fi
done
apt_install "${names[@]}"
# A release that brings no script for update-rc.d has systemd, if it starts services at all.
for name in "${services[@]}"; do update-rc.d "$name" disable || systemctl disable "$name" || true; done
