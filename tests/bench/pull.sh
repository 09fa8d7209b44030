#!/usr/bin/env bash
# Pulls of 1 GiB from holds of any binaries, from Debian's nginx with sendfile and from its docker-registry, turn by turn, by one
# curl and by eight: MB/s and processor time a GiB; memory with 256 slow readers; small answers while eight curls pull a blob that
# the page cache lacks. Prints one Markdown table. Takes about 30 seconds a round with one binary and 2 GiB of disk a server; wants
# a quiet machine.
#
#   tests/bench/pull.sh ROUNDS BINARY...
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/bench/peer.sh
. "$repo/tests/bench/peer.sh"

[ $# -ge 2 ] || die "usage: pull.sh ROUNDS BINARY..."
need node npm python3 curl wrk
install_stack

rounds=$1
shift
work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
unpack_debian docker-registry "$work/debian-registry"
unpack_debian nginx "$work/debian-nginx"

python3 -B "$repo/tests/bench/pull.py" \
  --registry "$work/debian-registry/usr/bin/docker-registry" --nginx "$work/debian-nginx/usr/sbin/nginx" \
  --node "$stack_node" --stack "$stack" --work "$work" --rounds "$rounds" "$@"
