#!/usr/bin/env bash
# Fetches the published lexicons of the registry, and says where they are: export ATCR_HOLD_LEXICONS=…
# The crate jacquard-api has them as JSON. It is no dependency of the hold: this fetches its archive alone.
set -euo pipefail
crate=jacquard-api-0.12.2

cargo info "${crate%-*}@${crate##*-}" >/dev/null 2>&1 || { echo "$crate cannot be fetched" >&2; exit 1; }
for directory in "${CARGO_HOME:-$HOME/.cargo}/registry/src"/*/"$crate"/lexicons; do
  [ ! -f "$directory/io_atcr_hold_notifyManifest.json" ] || { echo "export ATCR_HOLD_LEXICONS=$directory"; exit; }
done
echo "$crate is fetched, but it has no lexicons" >&2
exit 1
