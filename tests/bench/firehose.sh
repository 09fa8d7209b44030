#!/usr/bin/env bash
# How long after a commit was acknowledged its event has come to 64 subscribers: of a hold, and of the reference PDS in
# turns on the same machine. Prints one Markdown table. Takes about 6 minutes; wants a quiet machine.
#
#   tests/bench/firehose.sh [ROUNDS]        5 rounds when not given
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

need node npm cargo cc
install_stack
say "Building the release binary"
binary=$(build_hold release)
[ -x "$binary" ] || die "cargo built no atcr-hold binary"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$stack_node" "$repo/tests/bench/firehose.mjs" "$binary" "$work" "${1:-5}"
