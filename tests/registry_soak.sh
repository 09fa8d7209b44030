#!/usr/bin/env bash
# A whole registry for hours: accounts push, pull, look at pages, give up, and are refused, by eight connections at once. At the
# end each manifest that was acknowledged is pulled with its blobs, and memory and open files of both programs must be as they
# were after the first quarter. Prints a line every five minutes.
#
#   tests/registry_soak.sh [SECONDS]        900 when not given
#
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs; without them those of the profile `quick` are built.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need node npm cargo cc python3
install_stack
hold=${ATCR_HOLD_BINARY:-$(build_program atcr-hold quick)}
appview=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview quick)}

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-soak.XXXXXX")
trap 'rm -rf "$work"' EXIT
PYTHONPATH=$repo/tests/bench python3 -B "$repo/tests/registry/soak.py" --hold "$hold" --appview "$appview" \
  --node "$stack_node" --stack "$stack" --work "$work" --seconds "${1:-900}"
