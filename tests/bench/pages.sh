#!/usr/bin/env bash
# Measures searches of a front end whose index has repositories of 50 tags, and prints one Markdown table. Wants a quiet machine.
#
#   tests/bench/pages.sh [COUNT...]     1000 10000 repositories when not given
#
# ATCR_APPVIEW_BINARY, ATCR_SEED_INDEX: the programs; without them releases are built.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

need cargo python3
binary=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview release)}
seed=${ATCR_SEED_INDEX:-}
if [ -z "$seed" ]; then
  (cd "$repo" && cargo build --release --locked -p atcr-appview --example seed_index) >&2
  seed=$(dirname "$binary")/examples/seed_index
fi
work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-pages.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ "$#" -gt 0 ] || set -- 1000 10000
python3 -B "$repo/tests/bench/pages.py" --appview "$binary" --seed "$seed" --work "$work" "$@"
