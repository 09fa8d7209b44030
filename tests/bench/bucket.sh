#!/usr/bin/env bash
# Pushes to a bucket by a hold with `storage.presigned` as `all` and as `downloads`, beside the same server driven directly:
# 64 MiB to 1 GiB on this machine, 128 MiB over a proxy of 40 ms and 20 MB/s, completeUpload by size, and the bytes that move
# per pushed byte. Prints one Markdown table a server. Takes about 3 minutes a round with both servers; wants a quiet machine.
#
#   tests/bench/bucket.sh [ROUNDS [SERVER...]]        3 garage seaweedfs when not given
#
# ATCR_HOLD_BINARY: the hold to measure, instead of a new release.
# ATCR_HOLD_S3: the list of servers that run already, as tests/s3/servers.sh makes it.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

rounds=${1:-3}
servers=("${@:2}")
[ "${#servers[@]}" -gt 0 ] || servers=(garage seaweedfs)
need node npm python3
install_stack
binary=${ATCR_HOLD_BINARY:-$(build_hold release)}

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'stop_s3; rm -rf "$work"' EXIT
for server in "${servers[@]}"; do
  # One server at a time: the other one would take processor time.
  [ -n "${ATCR_HOLD_S3:-}" ] || start_s3 "$server"
  read -ra line < <(grep "^$server " "${ATCR_HOLD_S3:-$s3_list}")
  mkdir "$work/$server"
  python3 -B "$repo/tests/bench/bucket.py" --hold "$(realpath "$binary")" --node "$stack_node" --stack "$stack" \
    --work "$work/$server" --rounds "$rounds" "${line[@]}"
  echo
  [ -n "${ATCR_HOLD_S3:-}" ] || stop_s3
done
