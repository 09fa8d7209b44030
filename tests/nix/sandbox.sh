#!/usr/bin/env bash
# Runs the tests as the flake's check "tests" does in Nix's sandbox, on a machine without nixpkgs: the files of the check and
# nothing else, the crates out of a folder, no network but the loopback, no environment, another user, no /etc/ssl of the
# machine's. What a test reads beside the file set, asks of the network or expects of its user, shows here.
#
#   bash tests/nix/sandbox.sh [ARGUMENT...]     `cargo test --locked --offline` with these arguments
#
# Needs root, and namespaces. What is built stays in ${XDG_CACHE_HOME:-~/.cache}/atcr-hold/sandbox: 8 minutes on 2 cores the
# first time.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/nix/files.sh
. "$repo/tests/nix/files.sh"

need nix-instantiate python3 cargo unshare setpriv ip
[ "$(id -u)" -eq 0 ] || die "it needs root, to become another user"

place=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/sandbox
builder=61234 # of nobody, as Nix's builders are
mkdir -p "$place/target" "$place/home" "$place/tmp"
copy_checked_files "$place/source"
mkdir -p "$place/source/.cargo"
cargo vendor --quiet --locked --versioned-dirs --manifest-path "$repo/Cargo.toml" "$place/vendor" >/dev/null
cat >"$place/source/.cargo/config.toml" <<'END'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/mnt/vendor"
END
cp /etc/ssl/certs/ca-certificates.crt "$place/ca-bundle.crt"
chmod -R a+rX "$place/vendor"
chown -R "$builder:$builder" "$place/source" "$place/target" "$place/home" "$place/tmp"

# Nix builds in /build; here it is below /mnt, which only this process and its children see.
# shellcheck disable=SC2016 # the inner shell has them
rust=$(rustc --print sysroot) place=$place builder=$builder \
  unshare --net --mount --propagation private bash -euo pipefail -c '
    ip link set lo up
    mount -t tmpfs tmpfs /mnt
    for name in source vendor target home tmp; do
      mkdir "/mnt/$name"
      mount --bind "$place/$name" "/mnt/$name"
    done
    mkdir /mnt/rust /mnt/empty
    mount --bind "$rust" /mnt/rust
    cp "$place/ca-bundle.crt" /mnt/
    # The machine has no certificates of its own there.
    mount --bind /mnt/empty /etc/ssl
    cd /mnt/source
    exec setpriv --reuid="$builder" --regid="$builder" --clear-groups env -i \
      PATH=/mnt/rust/bin:/usr/bin:/bin HOME=/mnt/home TMPDIR=/mnt/tmp CARGO_HOME=/mnt/home CARGO_TARGET_DIR=/mnt/target \
      SSL_CERT_FILE=/mnt/ca-bundle.crt cargo test --locked --offline "$@"' sandbox "$@"
