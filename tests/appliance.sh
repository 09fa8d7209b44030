#!/usr/bin/env bash
# Boots Debian machines with the units of the NixOS module, and runs the test scripts of nixos/tests on them.
#
#   bash tests/appliance.sh [TEST...]       every test, or these, in containers (systemd-nspawn): minutes
#   bash tests/appliance.sh --emulated …    the same on emulated machines (qemu): slow; limits of memory hold there
#   bash tests/appliance.sh --cuts N        pull the plug of an emulated machine N times while it is pushed to
#
# Needs root, and namespaces; installs the rest with apt. The Debian trees are kept in
# ${XDG_CACHE_HOME:-~/.cache}/atcr-hold/appliance: 2 to 4 minutes the first time in a month.
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs to test; without them, those of the profile `quick`, which other tests have
# built; soak.sh gives releases. ATCR_HOLD_SUITE: trixie (the default) or a newer one: the units need systemd 255.
#
# The last line is the sum: "appliance: N passed, N failed". What cannot run here says so: "skipped: <what>: <why>".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo"

if [ "$(id -u)" -ne 0 ]; then
  keep=ATCR_HOLD_BINARY,ATCR_APPVIEW_BINARY,ATCR_HOLD_SUITE,CARGO_TARGET_DIR,XDG_CACHE_HOME,HOME,PATH
  exec sudo --preserve-env="$keep" bash "$0" "$@"
fi

kind=container
cuts=
tests=()
while [ $# -gt 0 ]; do
  case $1 in
    --emulated) kind=emulated ;;
    --cuts) cuts=${2:?--cuts needs a number}; shift ;;
    -*) die "there is no option $1" ;;
    *) tests+=("$1") ;;
  esac
  shift
done

need mmdebstrap systemd-nspawn nix-instantiate unshare nsenter setpriv mke2fs python3

export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bash tests/nix.sh --render "$work/machines" >&2
hold=${ATCR_HOLD_BINARY:-}
[ -n "$hold" ] || hold=$(build_hold quick)
appview=${ATCR_APPVIEW_BINARY:-}
[ -n "$appview" ] || appview=$(build_program atcr-appview quick)

# Not `exec`: the directory has to go. A signal reaches the machines' own end first.
if [ -n "$cuts" ]; then
  python3 tests/appliance/power_cuts.py --binary "$hold" --machines "$work/machines" --cuts "$cuts"
else
  python3 tests/appliance/run.py --binary "$hold" --appview "$appview" --machines "$work/machines" --kind "$kind" "${tests[@]}"
fi
