#!/usr/bin/env bash
# Runs real S3 servers on the loopback until it is interrupted, for tests and for trying things by hand.
#   bash tests/s3/serve.sh garage|seaweedfs|ceph|rclone|moto...
# Installs a server when it is missing (Garage is compiled: 10 minutes of processor time, once), starts it on
# free ports with its data in a temporary directory, and prints a line for ATCR_HOLD_S3: the file that says,
# a line a server, its name, endpoint, region and bucket, and which files have its key and secret.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

[ $# -ge 1 ] || die "usage: serve.sh garage|seaweedfs|ceph|rclone|moto..."
trap stop_s3 EXIT
trap 'exit 0' INT TERM
start_s3 "$@"
cat "$s3_list" >&2
printf 'export ATCR_HOLD_S3=%q\n' "$s3_list"
# In the background, so that a signal is not kept waiting.
sleep infinity &
s3_pids+=($!)
wait $!
