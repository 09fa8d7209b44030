# shellcheck shell=bash
# Debian's Chromium: the machine's own, or one unpacked below the cache. Sourced after tests/lib.sh, never run.
# What it uses without setting it is there.
# shellcheck disable=SC2154

chromium_packages=(chromium-headless-shell chromium-common fonts-noto-core)
chromium_home=${XDG_CACHE_HOME:-$HOME/.cache}/atcr-hold/chromium

# Unpacks the packages, though this machine may have some of them, for the browser finds its data beside itself, and those
# of their dependencies that this machine does not have, below $1. Every step says itself whether to go on: the caller asks whether it went well, which turns `set -e` off.
unpack_chromium() {
  local debs=$1.debs lines names deb
  mkdir -p "$1" "$debs" && again as_root "${apt_get[@]}" update -qq || return 1
  lines=$(apt-get install --reinstall --print-uris -qq --no-install-recommends "${chromium_packages[@]}") || return 1
  mapfile -t names < <(sed -n "s/^'[^']*' \([^_ ]*\)_.*/\1/p" <<<"$lines")
  (cd "$debs" && again "${apt_get[@]}" download -qq "${names[@]}") || return 1
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
  tree=$chromium_home/$(date +%Y-%m)
  if [ ! -x "$tree/chromium" ] || ! opens "$tree/chromium"; then
    local unfinished=$chromium_home/.unfinished.$$
    say "Downloading Chromium with apt"
    if ! in_apts_turn unpack_chromium "$unfinished" >&2; then
      rm -rf "$unfinished" "$unfinished.debs"
      return 1
    fi
    rm -rf "$tree"
    find "$chromium_home" -mindepth 1 -maxdepth 1 -name '20*' -exec rm -rf {} +
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
