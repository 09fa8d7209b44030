#!/usr/bin/env bash
# Two binaries of the hold side by side, turn by turn on the same disk: what costs a legitimate user, and the ratio of it. Prints
# one Markdown table. Takes about a minute a round and 4 GiB of disk; wants a quiet machine. A benchmark, not a test: it judges nothing.
#
#   tests/bench/guard.sh OLD NEW [ROUNDS]        5 rounds when not given
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

[ $# -ge 2 ] || die "usage: guard.sh OLD NEW [ROUNDS]"
need node npm python3
install_stack

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -B "$repo/tests/bench/guard.py" --old "$(realpath "$1")" --new "$(realpath "$2")" \
  --node "$stack_node" --stack "$stack" --work "$work" --rounds "${3:-5}"
