#!/usr/bin/env bash
# keep.sh INSTANCE: start again whatever of the product dies, until the instance is stopped. What dies again and again is
# tried less and less often, at least every half a minute.
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

LONGEST=30
use_instance "$1"
# Only between two programs: one that is just being started must be known by its number before this ends.
ENDING=no
trap 'ENDING=yes' TERM INT HUP
declare -A pause=() again=()
while [ $ENDING = no ] && [ -e "$STATE/wanted" ]; do
  # First what the others stand on.
  for name in postgres redis mosquitto $PROGRAMS; do
    if [ $ENDING = yes ] || [ "${again[$name]:-0}" -gt $SECONDS ]; then continue; fi
    if alive "$name"; then
      # What has lived for a minute is well.
      [ $((SECONDS - ${again[$name]:-0})) -lt 60 ] || pause[$name]=1
      continue
    fi
    # In a shell of its own, and not in a condition: what cannot be started must not end the watch over the others.
    set +e
    (
      set -e
      trap - TERM INT HUP
      revive "$name"
    )
    set -e
    again[$name]=$((SECONDS + ${pause[$name]:-1}))
    pause[$name]=$((2 * ${pause[$name]:-1} < LONGEST ? 2 * ${pause[$name]:-1} : LONGEST))
  done
  sleep 1
done
