#!/usr/bin/env bash
# The whole registry on this machine: a real PLC directory, a real PDS, holds, the front end, and real OCI clients that
# push and pull through it. Needs Rust and Node; installs the rest.
#   bash tests/appview.sh [api|conformance|holds|faults|inward|handles|webhooks|oauth|credentials [CLIENT...]|pages [FOLDER]|follow|
#                          restarts|clients [CLIENT...]]
#
# The part pages leaves screenshots in FOLDER, where Chromium can be had.
# The part oauth has a person sign in at the real pages of the PDS, in Chromium where that can be had.
# ATCR_HOLD_BINARY, ATCR_APPVIEW_BINARY, ATCR_CREDENTIAL_BINARY: the programs; without them they are built. ATCR_HOLD_S3: real S3 servers, as
# tests/s3/serve.sh names them; without it a Garage is started. ATCR_HOLD_WRITE=1: the table in tests/README.md is made anew.
# The last lines are sums: "appview: N passed, N failed". What cannot run here says so: "skipped: <what>: <why>".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/s3/servers.sh
. "$repo/tests/s3/servers.sh"
# shellcheck source=tests/page/chromium.sh
. "$repo/tests/page/chromium.sh"
# shellcheck source=tests/registry/clients.sh
. "$repo/tests/registry/clients.sh"

need node npm cargo skopeo umoci openssl faketime python3 ip dnsmasq
install_stack
hold=${ATCR_HOLD_BINARY:-$(build_hold quick)}
appview=${ATCR_APPVIEW_BINARY:-$(build_program atcr-appview quick)}

work=$(mktemp -d "${TMPDIR:-/tmp}/atcr-registry.XXXXXX")
trap 'stop_s3; rm -rf "$work"' EXIT
part=${1:-all}
status=0

# run_part SCRIPT ARGUMENT...: in a folder of its own, and by the command in `within`.
within=()
run_part() {
  local script=$1
  shift
  mkdir "$work/$script"
  "${within[@]}" "$stack_node" "$repo/tests/registry/$script.mjs" "$hold" "$appview" "$work/$script" "$@" || status=1
}

case $part in all | api) run_part run ;; esac
case $part in all | conformance) run_part conformance ;; esac
case $part in all | holds) run_part holds ;; esac
case $part in all | faults) run_part faults ;; esac
# in_network: whether the next part can run in a network and with mounts of its own; sets `within`.
in_network() {
  within=(unshare --map-root-user --net --mount)
  "${within[@]}" true 2>/dev/null || { within=() && false; }
}

case $part in
  all | inward)
    if in_network; then
      run_part inward
      within=()
    else
      echo "skipped: what strangers name makes no connection inward: no network of its own can be had"
    fi
    ;;
esac
case $part in
  all | handles)
    if in_network; then
      run_part handles
      within=()
    else
      echo "skipped: handles in the DNS: no network of its own can be had"
    fi
    ;;
esac
case $part in
  all | webhooks)
    if in_network; then run_part webhooks own; else run_part webhooks; fi
    within=()
    ;;
esac
case $part in
  all | oauth)
    run_part oauth
    run_part confidential "$(find /usr/lib -name libfaketime.so.1 -print -quit)"
    if browser=$(chromium); then
      run_part browser "$browser"
    else
      echo "skipped: a person in a real browser: Chromium cannot be had"
    fi
    ;;
esac
case $part in
  all | pages)
    run_part visits
    run_part site "$(chromium || true)" "$([ "$part" = all ] || realpath -m -- "${2:-$work/screenshots}")"
    ;;
esac
case $part in
  all | credentials)
    install_clients
    # A real keyring; where it cannot be had, the run says so.
    (need secret-tool gnome-keyring-daemon dbus-run-session) || true
    helper=${ATCR_CREDENTIAL_BINARY:-$(build_program docker-credential-atcr quick)}
    run_part credentials "$helper" "$clients_home" "${@:2}"
    ;;
esac
case $part in all | follow) run_part follow ;; esac
case $part in all | restarts) run_part restarts ;; esac
case $part in
  all | clients)
    install_clients
    [ -n "${ATCR_HOLD_S3:-}" ] || start_s3 garage
    run_part clients "${ATCR_HOLD_S3:-$s3_list}" "$clients_home" "${@:2}"
    ;;
esac
exit "$status"
