#!/usr/bin/env bash
# Measures holds whose repositories differ in size only, side by side: commits, reads, exports, start, memory. Prints one
# Markdown table. With the sizes given here it takes about 15 minutes and 6 GiB of disk; wants a quiet machine.
#
#   tests/bench/scale.sh [SIZE...]     1000 100000 1000000 layer records when not given
#
# ATCR_HOLD_BINARY, ATCR_SEED: the programs; without them releases are built.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

need node npm cargo cc python3
install_stack
binary=${ATCR_HOLD_BINARY:-$(build_hold release)}
[ -x "$binary" ] || die "no program at '$binary'"
seed=${ATCR_SEED:-}
if [ -z "$seed" ]; then
  (cd "$repo" && cargo build --release --locked -p atcr-hold --example seed) >&2
  seed=$(dirname "$binary")/examples/seed
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-scale.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ "$#" -gt 0 ] || set -- 1000 100000 1000000
python3 -B "$repo/tests/bench/scale.py" \
  --hold "$binary" --seed "$seed" --node "$stack_node" --stack "$stack" --work "$work" "$@"
