#!/usr/bin/env bash
# Has the real Prometheus of Debian scrape a hold under a little load, and judges metrics, alerts and dashboard by it.
#
# Prometheus is unpacked, not installed (the installed package would start one on every interface), and kept in
# ${XDG_CACHE_HOME:-~/.cache}/atcr-hold. ATCR_HOLD_BINARY: the hold; without it the last debug build, or a new one.
# Grafana is no package of Debian: the dashboard's queries are put to Prometheus, its looks are not tested.
#
# The last line is the sum: "metrics: N passed, N failed". What cannot run here says so: "skipped: <what>: <why>".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo"

need python3
hold=${ATCR_HOLD_BINARY:-${CARGO_TARGET_DIR:-target}/debug/atcr-hold}
if [ ! -x "$hold" ]; then
  need cargo cc
  cargo build --locked --bin atcr-hold >&2
fi

# Prints the folder with prometheus and promtool.
prometheus_tools() {
  local tools=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/prometheus
  if [ ! -x "$tools/usr/bin/promtool" ]; then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    say "Fetching Debian's prometheus"
    local work
    work=$(mktemp -d)
    (
      cd "$work"
      download() { apt-get -qq -o APT::Sandbox::User=root download prometheus; }
      { download || { as_root apt-get update -qq && download; }; } &&
        mkdir -p "$tools" && dpkg-deb -x prometheus_*.deb "$tools"
    ) >&2 || { rm -rf "$work"; return 1; }
    rm -rf "$work"
  fi
  echo "$tools/usr/bin"
}

if tools=$(prometheus_tools); then
  exec python3 -B tests/metrics/run.py --hold "$(realpath "$hold")" --tools "$tools"
fi
echo "skipped: metrics under the real Prometheus: Debian's package cannot be had"
exec python3 -B tests/metrics/run.py --hold "$(realpath "$hold")"
