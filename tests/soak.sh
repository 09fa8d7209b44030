#!/usr/bin/env bash
# The slow lane, for a night: what finds rare faults by doing the same for hours with other dice.
#
#   bash tests/soak.sh [HOURS=8]
#
# A quarter of the time accounts push and pull beside garbage collection, on a directory and on real S3 servers; a quarter they do
# with a whole registry, whose memory must stay as it is; a quarter goes to the fuzzers. What comes on top: the tests in a replica
# of Nix's sandbox, the machines with releases, the long attacks, what faults on the way to S3 and 20 power cuts an hour take. Ends
# at the first failure; a seed of its dice is in its output.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo/tests"

hours=${1:-8}
seconds=$((hours * 3600))
bash gc_soak.sh $((seconds / 4))
bash registry_soak.sh $((seconds / 4))
# Each of the nine targets for this long.
bash fuzz.sh $((seconds / 36))
bash nix/sandbox.sh
bash attacks.sh --long
bash s3/faults.sh $((hours * 10000))
ATCR_HOLD_BINARY=$(build_program atcr-hold release)
ATCR_APPVIEW_BINARY=$(build_program atcr-appview release)
export ATCR_HOLD_BINARY ATCR_APPVIEW_BINARY
bash appliance.sh
bash appliance.sh --cuts $((hours * 20))
echo "soak: passed after $((SECONDS / 60)) min"
