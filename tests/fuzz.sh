#!/usr/bin/env bash
# Fuzzes the readers of CAR, DAG-CBOR and trees, each for a while, beginning with the kept corpus.
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
[ "${#targets[@]}" -gt 0 ] || targets=(car cbor mst)
declare -A max_len=([car]=16384 [cbor]=4096 [mst]=1024)

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
    -max_len="${max_len[$target]}" -print_final_stats=1 -artifact_prefix="$build/findings/$target-" \
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
