#!/usr/bin/env bash
# Pushes to and reads from holds on real S3 servers while the way there is full of faults, until at least FAULTS have
# happened on each server; prints what happened, by kind. 2,000 take a few minutes a server.
#
#   tests/s3/faults.sh [FAULTS [SERVER...]]        2000 garage seaweedfs when not given
#
# A run prints its seed; ATCR_HOLD_SEED=N draws the same faults again.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

servers=("${@:2}")
[ "${#servers[@]}" -gt 0 ] || servers=(garage seaweedfs)
need cargo python3
trap stop_s3 EXIT
start_s3 "${servers[@]}"
export ATCR_HOLD_FAULTS=${1:-2000} ATCR_HOLD_S3=$s3_list
cd "$repo"
cargo test --locked -p atcr-hold --test hold binary::faults:: -- --nocapture --test-threads=1
