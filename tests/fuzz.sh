#!/usr/bin/env bash
# Fuzzes what reads bytes from strangers, each for a while, beginning with the kept corpus: CAR, DAG-CBOR and trees; heads
# and bodies of HTTP, WebSocket frames, service tokens, signed URLs, DID documents, manifests.
#
#   bash tests/fuzz.sh [SECONDS=20] [TARGET...]
#
# Exit 1 when one crashes, hangs (10 s for one input) or takes more than 1 GiB; the input is kept in
# target/fuzz/findings and its path is shown. What else was found stays in target/fuzz/corpus for the next run here.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${1:-20}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(car cbor mst http websocket token signed_url did_document manifest)
# As long as it takes to reach everything; 4,096 bytes where it is not said.
declare -A max_len=([car]=16384 [mst]=1024 [signed_url]=512)

build=${CARGO_TARGET_DIR:-$repo/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
need cargo cc c++

say "Building the fuzz targets"
# With a target named, build scripts and macros stay free of the instrumentation.
(
  cd "$repo/tests/fuzz"
  RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares" \
    CARGO_TARGET_DIR=$build cargo build --release --locked --quiet --target "$host"
)

status=0
mkdir -p "$build/findings"
for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target"
  log=$(mktemp)
  if "$build/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -max_len="${max_len[$target]:-4096}" -print_final_stats=1 -artifact_prefix="$build/findings/$target-" \
    "$build/corpus/$target" "$repo/tests/fuzz/corpus/$target" 2>"$log"; then
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    memory=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
    printf 'fuzz: %s: %d executions in %d s, %d MiB at most, nothing found\n' "$target" "$executions" "$seconds" "$memory"
  else
    status=1
    tail -n 40 "$log"
    printf 'fuzz: %s: FAILED: see %s\n' "$target" "$build/findings"
  fi
  rm -f "$log"
done
exit "$status"
