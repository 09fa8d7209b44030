# shellcheck shell=bash
# Makes a container image with umoci. Sourced, never run.

# make_image LAYOUT BINARY BYTES: an OCI image layout tagged "demo" with three layers: settings, a program, and so much data.
make_image() {
  local layout=$1 binary=$2 bytes=$3 files
  files=$(mktemp -d "$layout.files.XXXXXX")
  mkdir "$files/etc"
  printf 'NAME="atcr-hold demo"\nID=demo\n' >"$files/etc/os-release"
  printf 'hold:x:1000:1000::/srv:/bin/false\n' >"$files/etc/passwd"
  # Random, so that it stays that large when compressed.
  head -c "$bytes" /dev/urandom >"$files/data.bin"

  umoci init --layout "$layout"
  umoci new --image "$layout:demo"
  umoci insert --rootless --image "$layout:demo" "$files/etc" /etc
  umoci insert --rootless --image "$layout:demo" "$binary" /usr/bin/atcr-hold
  umoci insert --rootless --image "$layout:demo" "$files/data.bin" /srv/data.bin
  umoci config --image "$layout:demo" --config.entrypoint /usr/bin/atcr-hold --config.user 1000:1000
  # Each step leaves the manifest and configuration of the step before.
  umoci gc --layout "$layout"
  rm -rf "$files"
}
