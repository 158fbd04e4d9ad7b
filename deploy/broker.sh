#!/usr/bin/env bash
# broker.sh FOLDER PORT: a Mosquitto of our own in that folder, in the foreground. Nobody enters without a password;
# the gateway writes the file of passwords, and a device may write only under its own name. Root starts it as another.
set -euo pipefail
# shellcheck source=deploy/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
folder=$(realpath "$1")
port=$2
umask 077
cd "$folder"
[ -s enrolment ] || od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >enrolment
touch passwords
cat >acl <<'END_OF_FILE'
user zhutu-gateway
topic read zhutu/+/readings
topic read zhutu-new/+
topic write zhutu/+/problems

user zhutu-new
topic write zhutu-new/+

pattern write zhutu/%u/readings
pattern read zhutu/%u/problems
END_OF_FILE
cat >mosquitto.conf <<END_OF_FILE
per_listener_settings false
listener $port ${MQTT_HOST:-127.0.0.1}
pid_file $folder/broker.pid
allow_anonymous false
password_file $folder/passwords
acl_file $folder/acl
persistence true
persistence_location $folder/
autosave_on_changes true
autosave_interval 1
max_inflight_messages 1000
max_queued_messages 1000000
message_size_limit 1048576
max_keepalive 600
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
END_OF_FILE
command=("$(find_mosquitto)" -c mosquitto.conf)
if [ "$(id -u)" -eq 0 ]; then
  user=$(broker_user)
  chown -R "$user:" .
  as_broker test -r "$folder/mosquitto.conf" || {
    echo "zhutu: the user $user cannot enter $folder: allow it to enter the folders above." >&2
    exit 1
  }
  command=(setpriv --reuid="$user" --regid="$(id -gn "$user")" --init-groups -- "${command[@]}")
fi
exec "${command[@]}"
