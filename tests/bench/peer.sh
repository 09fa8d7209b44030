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

# beside_peers NAME ROUNDS BINARY...: NAME.py measures holds of these binaries beside Debian's nginx and docker-registry.
beside_peers() {
  local name=$1 rounds=$2
  shift 2
  install_stack
  work=$(mktemp -d "${TMPDIR:-/var/tmp}/atcr-hold-bench.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  unpack_debian docker-registry "$work/debian-registry"
  unpack_debian nginx "$work/debian-nginx"
  # shellcheck disable=SC2154 # of tests/lib.sh
  python3 -B "$repo/tests/bench/$name.py" \
    --registry "$work/debian-registry/usr/bin/docker-registry" --nginx "$work/debian-nginx/usr/sbin/nginx" \
    --node "$stack_node" --stack "$stack" --work "$work" --rounds "$rounds" "$@"
}
