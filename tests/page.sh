#!/usr/bin/env bash
# Looks at the page of real holds with headless Chromium: at a desk, in the dark, on a phone; without scripts, with
# hostile records. Nothing but the page and its picture may be fetched, every text has to be legible, nothing too wide.
# Then a page of another origin reads and writes by the reference client `@atproto/api`, as far as CORS lets it.
#
#   bash tests/page.sh [FOLDER]    leaves the screenshots in FOLDER
#
# Debian's Chromium and a font are downloaded with apt and unpacked into ${XDG_CACHE_HOME:-~/.cache}/atcr-hold/chromium;
# nothing is installed. A machine that has the browser uses its own. Where they cannot be had, that is said ("skipped: …"), and the markup is checked alone.
# ATCR_HOLD_BINARY: the hold to look at; without it, one is built.
#
# The last line is the sum: "page: N passed, N failed".
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/page/chromium.sh
. "$repo/tests/page/chromium.sh"
folder=${1:-}
[ -z "$folder" ] || folder=$(realpath -m -- "$folder")
cd "$repo"

# client: makes the script of that page outside of the checkout, and prints its path.
client() {
  local home=${XDG_CACHE_HOME:-$HOME/.cache}/atcr-hold/page-client
  need node npm
  mkdir -p "$home"
  if ! cmp -s tests/page/api-client/package-lock.json "$home/.installed-lock.json"; then
    say "Installing the reference client with npm (kept in $home)"
    cp tests/page/api-client/{package.json,package-lock.json,.npmrc} "$home"
    (cd "$home" && again npm ci --loglevel=error >&2) || return 1
    cp tests/page/api-client/package-lock.json "$home/.installed-lock.json"
  fi
  cp tests/page/api-client/page.mjs "$home"
  (cd "$home" && node_modules/.bin/esbuild page.mjs --bundle --outfile=page.js --log-level=warning >&2) || return 1
  printf '%s\n' "$home/page.js"
}

need python3
export PYTHONDONTWRITEBYTECODE=1
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
hold=${ATCR_HOLD_BINARY:-}
[ -n "$hold" ] || hold=$(build_hold quick)
if browser=$(chromium) && "$browser" --version >&2 && opens "$browser"; then
  with_browser=(--browser "$browser" --client "$(client)")
else
  with_browser=()
  printf 'skipped: the page in a browser: apt has no chromium-headless-shell for this machine, or it does not start\n'
fi
python3 tests/page/check.py --hold "$hold" --screenshots "$folder" "${with_browser[@]}"
