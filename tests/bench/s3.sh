#!/usr/bin/env bash
# Measures a hold on real S3 servers beside the same servers driven directly: 1 GiB pushed and pulled through presigned
# URLs, what the proof of digest adds, memory with 64 uploads in flight, and requests for URLs. Prints one Markdown table.
# Takes about 5 minutes and 4 GiB of disk; wants a quiet machine.
#
#   tests/bench/s3.sh [ROUNDS [SERVER...]]        5 garage seaweedfs when not given
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

servers=("${@:2}")
[ "${#servers[@]}" -gt 0 ] || servers=(garage seaweedfs)
need cargo cc python3
say "Building the release binary, and what drives it"
binary=$(build_release)
[ -x "$binary" ] || die "cargo built no atcr-hold binary"
(cd "$repo" && cargo build --release --locked --example s3) >&2

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'stop_s3; rm -rf "$work"' EXIT
# One server at a time: the other one would take processor time.
for server in "${servers[@]}"; do
  start_s3 "$server"
  "$(dirname "$binary")/examples/s3" "$binary" "$s3_list" "$work" "${1:-5}"
  stop_s3
done
