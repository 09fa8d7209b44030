# shellcheck shell=bash
# Makes the container image of the demo with umoci. Sourced by demo.sh.

# Above the 100 MB that make a layer worth splitting; random, so that it stays that large when compressed.
large_layer_bytes=$((128 * 1024 * 1024))

# make_image LAYOUT BINARY: an OCI image layout tagged "demo" with three layers: settings, a program, and data.
make_image() {
  local layout=$1 binary=$2 files
  files=$(mktemp -d "$layout.files.XXXXXX")
  mkdir "$files/etc"
  printf 'NAME="atcr-hold demo"\nID=demo\n' >"$files/etc/os-release"
  printf 'hold:x:1000:1000::/srv:/bin/false\n' >"$files/etc/passwd"
  head -c "$large_layer_bytes" /dev/urandom >"$files/data.bin"

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
