#!/usr/bin/env bash
# Attacks a hold, and a registry front end, and looks what an honest account beside it feels: nothing. Each case starts a
# daemon of its own on loopback, in bounded loops, and ends by itself.
#
#   bash tests/attacks.sh [--long] [NAME...]   every case, or these (tests/attacks/cases.py, front_cases.py);
#                                      --long: six times as long
#
# Needs Rust and root (a name server of its own and a mount namespace); installs the rest.
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: what is attacked; without them they are built.
# The last line is the sum: "attacks: N passed, N failed".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need python3
tools=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/attacks
"$tools/bin/python" -c 'import cryptography' 2>/dev/null || install_from_pypi "$tools" cryptography
export ATCR_HOLD_BINARY=${ATCR_HOLD_BINARY:-$(build_hold quick)}
export ATCR_APPVIEW_BINARY=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview quick)}
exec "$tools/bin/python" "$repo/tests/attacks/run.py" "$@"
