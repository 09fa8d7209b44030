# shellcheck shell=bash
# The peer that is measured beside ours. Sourced after tests/lib.sh, never run.

# Unpacked, not installed: the installed package would start a registry of its own on every interface.
# unpack_registry FOLDER
unpack_registry() {
  local into=$1
  say "Fetching Debian's docker-registry"
  (
    mkdir "$into"
    cd "$into" || exit
    download() { apt-get -qq -o APT::Sandbox::User=root download docker-registry; }
    download || { as_root apt-get update -qq && download; }
    dpkg-deb -x docker-registry_*.deb .
  ) >&2
}
