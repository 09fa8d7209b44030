#!/usr/bin/env bash
# A whole registry on this machine: a real PLC directory, a real PDS, a hold, the registry before it, two accounts, and real
# container images that skopeo pushes and pulls. Needs Rust and Node; installs the rest.
#
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs; without them they are built, by the profile `quick` of Cargo.toml.
# Exits 0 when everything held. Leaves no process and no temporary file.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/demo/image.sh
. "$repo/tests/demo/image.sh"

exit_on_signals end_driver

need node npm cargo umoci skopeo
install_stack
say "Building the hold and the registry"
hold=${ATCR_HOLD_BINARY:-$(build_program atcr-hold quick)}
appview=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview quick)}
for binary in "$hold" "$appview"; do [ -x "$binary" ] || die "cargo built no such program"; done

work=$(mktemp -d "${TMPDIR:-/tmp}/atcr-demo.XXXXXX")
say "Making container images with $(umoci --version)"
mkdir "$work/images"
{
  make_image "$work/images/alice" "$hold" $((64 * 1024 * 1024)) &&
    make_image "$work/images/bob" "$appview" $((4 * 1024 * 1024))
} >"$work/umoci.log" 2>&1 || die "umoci failed: $(tail -n 5 "$work/umoci.log")"

drive "$stack_node" "$repo/tests/demo/demo.mjs" "$hold" "$appview" "$work/images" "$work"
