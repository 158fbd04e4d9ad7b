#!/usr/bin/env bash
# Stop every process that run.sh, test.sh or bench.sh started in this folder, and no other.
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

stopped=none
if [ -d "$LOCAL" ]; then
  claim_place
  # Tests that kill things have instances of their own.
  for name in run test bench load "$LOCAL"/kill-*; do
    [[ $name != */kill-\* ]] || continue
    use_instance "${name##*/}"
    if stop_instance; then
      say "stopped the $name instance"
      stopped=some
    fi
  done
fi
[ $stopped = some ] || say "nothing was running"
