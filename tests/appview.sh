#!/usr/bin/env bash
# The whole registry on this machine: a real PLC directory, a real PDS, a hold, the front end, and real OCI clients that
# push and pull through it. Needs Rust and Node; installs the rest.
#
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs; without them debug builds are made.
# The last line is the sum: "appview: N passed, N failed".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need node npm cargo skopeo umoci
install_stack
hold=${ATCR_HOLD_BINARY:-$(build_program atcr-hold dev)}
appview=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview dev)}

work=$(mktemp -d "${TMPDIR:-/tmp}/atcr-registry.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$stack_node" "$repo/tests/registry/run.mjs" "$hold" "$appview" "$work"
