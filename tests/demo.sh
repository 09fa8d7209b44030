#!/usr/bin/env bash
# One whole run of the product on this machine: a real PLC directory, a real PDS, a hold, two accounts, and the blobs
# of a real container image pushed, read back and compared. Needs Rust and Node; installs the rest.
# Exits 0 when everything held. Leaves no process and no temporary file.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/demo/image.sh
. "$repo/tests/demo/image.sh"

work=
driver=

cleanup() {
  if [ -n "$driver" ]; then
    kill "$driver" 2>/dev/null || true
    wait "$driver" 2>/dev/null || true
  fi
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

need node npm cargo umoci
install_stack
say "Building the hold"
binary=$(build_hold quick)
[ -x "$binary" ] || die "cargo built no atcr-hold binary"

work=$(mktemp -d "${TMPDIR:-/tmp}/atcr-hold-demo.XXXXXX")
say "Making a container image with $(umoci --version)"
make_image "$work/image" "$binary" >"$work/umoci.log" 2>&1 || die "umoci failed: $(tail -n 5 "$work/umoci.log")"

# In the background, so that a signal to this script reaches the trap at once.
"$stack_node" "$repo/tests/demo/demo.mjs" "$binary" "$work/image" "$work" &
driver=$!
wait "$driver"
