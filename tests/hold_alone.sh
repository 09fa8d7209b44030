#!/usr/bin/env bash
# The life of a hold without a registry before it: a real PLC directory, a real PDS, two accounts, the blobs of a real
# container image pushed, read back and compared, restarts, a restored backup, and the reference libraries that follow.
# Needs Rust and Node; installs the rest. The last line is the sum: "hold: N passed, N failed".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/demo/image.sh
. "$repo/tests/demo/image.sh"

exit_on_signals end_driver

need node npm cargo umoci
install_stack
say "Building the hold"
binary=${ATCR_HOLD_BINARY:-$(build_hold quick)}
[ -x "$binary" ] || die "cargo built no atcr-hold binary"

work=$(mktemp -d "${TMPDIR:-/tmp}/atcr-hold-alone.XXXXXX")
say "Making a container image with $(umoci --version)"
make_image "$work/image" "$binary" $((128 * 1024 * 1024)) >"$work/umoci.log" 2>&1 || die "umoci failed: $(tail -n 5 "$work/umoci.log")"

drive "$stack_node" "$repo/tests/hold_alone/run.mjs" "$binary" "$work/image" "$work"
