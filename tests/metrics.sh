#!/usr/bin/env bash
# Has the real Prometheus of Debian scrape a hold and a front end under a little load, and judges metrics, alerts and dashboards
# by it.
#
# Prometheus is unpacked, not installed (the installed package would start one on every interface), and kept in
# ${XDG_CACHE_HOME:-~/.cache}/atcr-hold. ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY: the programs; without them the last debug
# builds, or new ones.
# Grafana is no package of Debian: the dashboard's queries are put to Prometheus, its looks are not tested.
#
# The last line is the sum: "metrics: N passed, N failed". What cannot run here says so: "skipped: <what>: <why>".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$repo"

need python3
hold=${ATCR_HOLD_BINARY:-${CARGO_TARGET_DIR:-target}/debug/atcr-hold}
appview=${ATCR_APPVIEW_BINARY:-${CARGO_TARGET_DIR:-target}/debug/atcr-appview}
if [ ! -x "$hold" ] || [ ! -x "$appview" ]; then
  need cargo cc
  cargo build --locked --bin atcr-hold --bin atcr-appview >&2
fi
programs=(--hold "$(realpath "$hold")" --appview "$(realpath "$appview")")

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
      download_packages prometheus &&
        mkdir -p "$tools" && dpkg-deb -x prometheus_*.deb "$tools"
    ) >&2 || { rm -rf "$work"; return 1; }
    rm -rf "$work"
  fi
  echo "$tools/usr/bin"
}

if tools=$(prometheus_tools); then
  exec python3 -B tests/metrics/run.py "${programs[@]}" --tools "$tools"
fi
echo "skipped: metrics under the real Prometheus: Debian's package cannot be had"
exec python3 -B tests/metrics/run.py "${programs[@]}"
