#!/usr/bin/env bash
# How long after a commit was acknowledged its event has come to 64 subscribers: of a hold, and of the reference PDS in
# turns on the same machine. Prints one Markdown table. Takes about 6 minutes; wants a quiet machine.
#
#   tests/bench/firehose.sh [ROUNDS]        5 rounds when not given
#
# ATCR_HOLD_BINARY: the hold to measure, instead of a new release.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

need node npm cargo cc
install_stack
binary=${ATCR_HOLD_BINARY:-$(build_hold release)}
[ -x "$binary" ] || die "no program at '$binary'"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$stack_node" "$repo/tests/bench/firehose.mjs" "$binary" "$work" "${1:-5}"
