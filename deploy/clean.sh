#!/usr/bin/env bash
# Stop everything, then remove what the set-up made in this folder: environment, builds, databases, uploads.
# shellcheck source=deploy/place.sh
source "$(dirname "${BASH_SOURCE[0]}")/place.sh"

bash deploy/stop.sh
use_instance run
removed=()
for folder in "$LOCAL" "/var/lib/zhutu-$PLACE_HASH" {/tmp,"${TMPDIR:-/tmp}"}/zhutu-"$(id -u)-$PLACE_HASH"-* node_modules command_center/frontend/dist; do
  [ -e "$folder" ] || continue
  rm -rf --one-file-system -- "$folder"
  removed+=("${folder#"$ROOT/"}")
done
if [ ${#removed[@]} -gt 0 ]; then say "removed ${removed[*]}"; else say "nothing to remove"; fi
