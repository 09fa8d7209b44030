#!/usr/bin/env bash
# Pushes and pulls 1 GiB through a hold and through Debian's docker-registry, turn by turn on the same disk, and measures
# completeUpload and memory. Prints one Markdown table. Takes about 5 minutes and 6 GiB of disk; wants a quiet machine.
#
#   tests/bench/run.sh [ROUNDS]        5 rounds when not given
#
# ATCR_HOLD_BINARY: the hold to measure, instead of a new release.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/bench/peer.sh
. "$repo/tests/bench/peer.sh"

need node npm cargo cc python3
install_stack
binary=${ATCR_HOLD_BINARY:-$(build_hold release)}
[ -x "$binary" ] || die "no program at '$binary'"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
unpack_debian docker-registry "$work/debian"

python3 -B "$repo/tests/bench/bench.py" \
  --hold "$binary" --registry "$work/debian/usr/bin/docker-registry" \
  --node "$stack_node" --stack "$stack" --work "$work" --rounds "${1:-5}"
