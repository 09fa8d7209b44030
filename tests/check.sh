#!/usr/bin/env bash
# The fast lane, for before a push: formatting, lints, unit tests, and the tests that need no process but their own.
# Needs Rust alone. What it leaves out, tests/all.sh has: the real program as a process, real servers, machines.
#
#   bash tests/check.sh [FILTER...]        only tests whose names have one of these
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo"

# Real servers are the other lane's.
unset ATCR_HOLD_STACK ATCR_HOLD_S3 ATCR_HOLD_AZURE
need cargo cc

step() {
  local began=$SECONDS
  say "check: $*"
  "$@"
  say "check: $((SECONDS - began)) s"
}

step cargo fmt --check
if command -v shellcheck >/dev/null; then
  step shellcheck -x .ci/run .githooks/* tests/*.sh tests/*/*.sh
else
  say "check: scripts are not checked: there is no shellcheck"
fi
step cargo clippy --locked --all-targets --quiet -- -D warnings
step cargo test --locked --quiet --no-fail-fast --lib --bins --tests -- --skip binary:: "$@"
say "check: passed after $SECONDS s"
