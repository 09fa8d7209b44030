#!/usr/bin/env bash
# A whole registry, front end and hold on one machine, beside Debian's docker-registry, turn by turn on the same disk: pushes and
# pulls of 1 GiB, many layers at once, an image by skopeo, small requests a second, memory. Prints one Markdown table. Takes about
# 5 minutes and 8 GiB of disk; wants a quiet machine.
#
#   tests/bench/registry.sh [ROUNDS]        3 rounds when not given
#
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs; without them releases are built.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/bench/peer.sh
. "$repo/tests/bench/peer.sh"

need node npm cargo cc python3 skopeo
install_stack
hold=${ATCR_HOLD_BINARY:-$(build_program atcr-hold release)}
appview=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview release)}

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
unpack_debian docker-registry "$work/debian"

python3 -B "$repo/tests/bench/registry.py" --hold "$hold" --appview "$appview" \
  --registry "$work/debian/usr/bin/docker-registry" --node "$stack_node" --stack "$stack" --work "$work" --rounds "${1:-3}"
