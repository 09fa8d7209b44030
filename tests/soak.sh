#!/usr/bin/env bash
# The slow lane, for a night: what finds rare faults by doing the same for hours with other dice.
#
#   bash tests/soak.sh [HOURS=8]
#
# Half of the time accounts push and pull beside garbage collection, on a directory and on real S3 servers; a quarter goes to
# the fuzzers; the tests in a replica of Nix's sandbox, the long attacks, what faults on the way to S3 and 20 power cuts an hour take comes on top. Ends at the first failure, whose
# seed is in its output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

hours=${1:-8}
seconds=$((hours * 3600))
bash gc_soak.sh $((seconds / 2))
# Each of the three targets for this long.
bash fuzz.sh $((seconds / 12))
bash nix/sandbox.sh
bash attacks.sh --long
bash s3/faults.sh $((hours * 10000))
bash appliance.sh --cuts $((hours * 20))
echo "soak: passed after $((SECONDS / 60)) min"
