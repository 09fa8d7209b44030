#!/usr/bin/env bash
# Tests the features `gcs` and `azure`: the storage contract, uploads, endpoints and upkeep on Azurite, and the form of
# the requests to Google.
#   bash tests/clouds.sh [FILTER...]
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need cargo cc c++ make node npm
cd "$repo"
work=$(mktemp -d)
azurite=
stop() {
  [ -z "$azurite" ] || { kill "$azurite" 2>/dev/null && wait "$azurite" 2>/dev/null; } || true
  rm -rf "$work"
}
trap stop EXIT
bash tests/clouds/azurite.sh >"$work/env" &
azurite=$!
until [ -s "$work/env" ]; do
  kill -0 "$azurite" 2>/dev/null || die "Azurite did not start"
  sleep 0.2
done
# shellcheck source=/dev/null
. "$work/env"
[ $# -gt 0 ] || set -- objects:: config:: blobs:: upkeep:: api::
cargo test --locked --all-features --no-fail-fast -p atcr-hold --test hold -- "$@"
