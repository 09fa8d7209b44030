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
folder=${1:-}
[ -z "$folder" ] || folder=$(realpath -m -- "$folder")
cd "$repo"

packages=(chromium-headless-shell chromium-common fonts-noto-core)
place=${XDG_CACHE_HOME:-$HOME/.cache}/atcr-hold/chromium

# Unpacks the packages, though this machine may have some of them, for the browser finds its data beside itself, and those
# of their dependencies that this machine does not have, below $1. Every step says itself whether to go on: the caller asks whether it went well, which turns `set -e` off.
unpack_chromium() {
  local debs=$1.debs lines names deb
  mkdir -p "$1" "$debs" && as_root apt-get update -qq || return 1
  lines=$(apt-get install --reinstall --print-uris -qq --no-install-recommends "${packages[@]}") || return 1
  mapfile -t names < <(sed -n "s/^'[^']*' \([^_ ]*\)_.*/\1/p" <<<"$lines")
  (cd "$debs" && apt-get download -qq "${names[@]}") || return 1
  for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$1" || return 1; done
  rm -rf "$debs"
}

# Whether this browser opens a page.
opens() { timeout 60 "$1" --headless --no-sandbox --disable-gpu --dump-dom about:blank 2>/dev/null | grep -q '<body>'; }

# Prints the path of the browser: the machine's own, or a script that starts the unpacked one. Fails where there is none.
chromium() {
  command -v chromium-headless-shell && return
  # A new one a month is new enough.
  local tree
  tree=$place/$(date +%Y-%m)
  if [ ! -x "$tree/chromium" ] || ! opens "$tree/chromium"; then
    local unfinished=$place/.unfinished.$$
    say "Downloading Chromium with apt"
    if ! unpack_chromium "$unfinished" >&2; then
      rm -rf "$unfinished" "$unfinished.debs"
      return 1
    fi
    rm -rf "$tree"
    find "$place" -mindepth 1 -maxdepth 1 -name '20*' -exec rm -rf {} +
    mv "$unfinished" "$tree"
    cat >"$tree/fonts.conf" <<END
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>$tree/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>$tree/fontconfig</cachedir>
  <match><test name="family"><string>monospace</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>DejaVu Sans Mono</string></edit></match>
  <match><edit name="family" mode="append_last"><string>Noto Sans</string></edit></match>
</fontconfig>
END
    cat >"$tree/chromium" <<END
#!/bin/sh
libraries=\$(find "$tree/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH="\$libraries" FONTCONFIG_FILE="$tree/fonts.conf"
exec "$tree/usr/lib/chromium/chromium-headless-shell" "\$@"
END
    chmod +x "$tree/chromium"
  fi
  printf '%s\n' "$tree/chromium"
}

# client: makes the script of that page outside of the checkout, and prints its path.
client() {
  local home=${XDG_CACHE_HOME:-$HOME/.cache}/atcr-hold/page-client
  need node npm
  mkdir -p "$home"
  if ! cmp -s tests/page/api-client/package-lock.json "$home/.installed-lock.json"; then
    say "Installing the reference client with npm (kept in $home)"
    cp tests/page/api-client/{package.json,package-lock.json,.npmrc} "$home"
    (cd "$home" && npm ci --loglevel=error >&2) || return 1
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
