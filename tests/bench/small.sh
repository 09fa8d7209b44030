#!/usr/bin/env bash
# Small blobs by signed URL: 4 KiB from holds of any binaries, from Debian's nginx and from its docker-registry, turn by turn,
# with 64 and 512 connections: answers a second, and the time of 99 of 100. Prints one Markdown table. GET is asked by wrk and
# HEAD by ab, since wrk waits for the body of a HEAD. Takes about 50 seconds a round with one binary; wants a quiet machine.
#
#   tests/bench/small.sh ROUNDS BINARY...
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/bench/peer.sh
. "$repo/tests/bench/peer.sh"

[ $# -ge 2 ] || die "usage: small.sh ROUNDS BINARY..."
need node npm python3 wrk ab
beside_peers small "$@"
