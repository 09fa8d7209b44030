# shellcheck shell=bash
# The peers that are measured beside ours. Sourced after tests/lib.sh, never run.

# Unpacked, not installed: the installed package would start a server of its own on every interface.
# unpack_debian PACKAGE FOLDER
unpack_debian() {
  local package=$1 into=$2
  say "Fetching Debian's $package"
  (
    mkdir "$into"
    cd "$into" || exit
    download() { apt-get -qq -o APT::Sandbox::User=root download "$package"; }
    download || { as_root apt-get update -qq && download; }
    dpkg-deb -x "$package"_*.deb .
  ) >&2
}
