#!/usr/bin/env bash
# Pulls of 1 GiB from holds of any binaries, from Debian's nginx with sendfile and from its docker-registry, turn by turn, by one
# curl, by eight, and by one at 800 MB/s on the server's core and on another: MB/s and processor time a GiB; memory with 256 slow
# readers; small answers while eight curls pull a blob that the page cache lacks. Prints one Markdown table. Takes about 45 seconds
# a round with one binary and 2 GiB of disk a server; wants a quiet machine with two cores.
#
#   tests/bench/pull.sh ROUNDS BINARY...
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/bench/peer.sh
. "$repo/tests/bench/peer.sh"

[ $# -ge 2 ] || die "usage: pull.sh ROUNDS BINARY..."
need node npm python3 curl wrk taskset
beside_peers pull "$@"
