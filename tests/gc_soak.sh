#!/usr/bin/env bash
# Lets accounts push, push again what they are told is here, pull, give up, and delete all they have, while garbage is
# collected every second with a grace of two; on a storage directory and on real S3 servers, at the same time. Prints
# what happened. A short form is among the tests.
#
#   tests/gc_soak.sh [SECONDS [SERVER...]]        900 garage when not given
#
# A run prints its seeds; ATCR_HOLD_SEED=N throws the same dice again.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

servers=("${@:2}")
[ "${#servers[@]}" -gt 0 ] || servers=(garage)
need cargo python3
trap stop_s3 EXIT
start_s3 "${servers[@]}"
export ATCR_HOLD_SOAK_S=${1:-900} ATCR_HOLD_S3=$s3_list
cd "$repo"
cargo test --locked -p atcr-hold --test hold binary::collection:: -- --nocapture --test-threads=2
