#!/usr/bin/env bash
# Runs the tests as the flake's check "tests" does in Nix's sandbox, on a machine without nixpkgs: the files of the check and
# nothing else, the crates out of a folder, no network but the loopback, no environment, another user, no /etc/ssl of the
# machine's. What a test reads beside the file set, asks of the network or expects of its user, shows here.
#
#   bash tests/nix/sandbox.sh [ARGUMENT...]          builds all of it there: `cargo test --locked --offline ARGUMENT...`
#   bash tests/nix/sandbox.sh --built [ARGUMENT...]  the test programs that cargo has built for the checkout, each with these
#                                                    arguments, where it finds the file set in the checkout's place
#
# Needs root, and namespaces. What is built stays in ${XDG_CACHE_HOME:-~/.cache}/atcr-hold/sandbox: 8 minutes on 2 cores the
# first time. --built takes as long as the tests, 2 to 4 minutes.
set -euo pipefail
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/nix/files.sh
. "$repo/tests/nix/files.sh"

built=
if [ "${1:-}" = --built ]; then
  built=yes
  shift
fi
need nix-instantiate python3 cargo unshare setpriv ip
[ "$(id -u)" -eq 0 ] || die "it needs root, to become another user"

export place=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/sandbox
export builder=61234 # of nobody, as Nix's builders are
export source=$place/${built:+built-}source tmp=$place/${built:+built-}tmp
rm -rf "$tmp"
mkdir -p "$place/target" "$place/home" "$tmp"
rm -rf "$source.before"
[ ! -d "$source" ] || mv "$source" "$source.before"
copy_checked_files "$source"
# What has changed since is as new as it is here: cargo would take it for built, by the older time that it was written at.
(cd "$source" && find . -type f -print0) | while IFS= read -r -d '' file; do
  if cmp -s "$source.before/$file" "$source/$file"; then
    touch -r "$source.before/$file" "$source/$file"
  else
    touch "$source/$file"
  fi
done
cp /etc/ssl/certs/ca-certificates.crt "$place/ca-bundle.crt"
chown -R "$builder:$builder" "$source" "$place/home" "$tmp"

# Nix builds in /build; here it is below /mnt, which only this process and its children see. The machine has no certificates
# of its own there.
# shellcheck disable=SC2016 # the inner shell has them
enter='
  ip link set lo up
  mount -t tmpfs tmpfs /mnt
  mkdir /mnt/source /mnt/vendor /mnt/target /mnt/home /mnt/tmp /mnt/rust /mnt/empty
  mount --bind "$source" /mnt/source
  mount --bind "$place/home" /mnt/home
  mount --bind "$tmp" /mnt/tmp
  cp "$place/ca-bundle.crt" /mnt/
  mount --bind /mnt/empty /etc/ssl
  # as_builder COMMAND...
  as_builder() {
    setpriv --reuid="$builder" --regid="$builder" --clear-groups env -i \
      PATH=/mnt/rust/bin:/usr/bin:/bin HOME=/mnt/home TMPDIR=/mnt/tmp CARGO_HOME=/mnt/home CARGO_TARGET_DIR=/mnt/target \
      SSL_CERT_FILE=/mnt/ca-bundle.crt "$@"
  }
'
inside() { unshare --net --mount --propagation private bash -euo pipefail -c "$enter$1" sandbox "${@:2}"; }

if [ -n "$built" ]; then
  # A line each: the directory of its package, where cargo would run it, and the program.
  programs=$(cd "$repo" && cargo test --locked --no-run --quiet --message-format=json | python3 -c '
import json, os, sys
for line in sys.stdin:
    made = json.loads(line)
    if made["reason"] == "compiler-artifact" and made["profile"]["test"] and made["executable"]:
        print(os.path.dirname(made["manifest_path"]), made["executable"])')
  [ -n "$programs" ] || die "cargo named no test program"
  export repo programs target=${CARGO_TARGET_DIR:-$repo/target}
  # They know the paths of checkout and target directory by heart: these are all that is left of the folders that people have.
  # shellcheck disable=SC2016
  inside '
    mount --bind "$target" /mnt/target
    hidden=
    for path in "$repo" "$target"; do
      top=/$(cut -d / -f 2 <<<"$path")
      case $top in /mnt | /usr | /etc | /bin | /lib*) echo "the sandbox cannot hide $top" >&2; exit 1 ;; esac
      [[ $hidden == *"$top "* ]] || mount -t tmpfs -o mode=755 tmpfs "$top"
      hidden="$hidden$top "
      [ "$path" = "$repo" ] || mkdir -p "$path"
      [ "$path" != "$repo" ] || { mkdir -p "$repo" /mnt/source/target && mount --rbind /mnt/source "$repo"; }
      [ "$path" != "$target" ] || mount --bind /mnt/target "$target"
    done
    failed=0
    while read -r directory program; do
      cd "$directory"
      as_builder CARGO_MANIFEST_DIR="$directory" "$program" "$@" </dev/null || failed=1
    done <<<"$programs"
    exit "$failed"' "$@"
else
  mkdir -p "$source/.cargo"
  cargo vendor --quiet --locked --versioned-dirs --manifest-path "$repo/Cargo.toml" "$place/vendor" >/dev/null
  cat >"$source/.cargo/config.toml" <<'TOML'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/mnt/vendor"
TOML
  chmod -R a+rX "$place/vendor"
  chown -R "$builder:$builder" "$place/target"
  rust=$(rustc --print sysroot)
  export rust
  # shellcheck disable=SC2016
  inside '
    for name in vendor target; do mount --bind "$place/$name" "/mnt/$name"; done
    mount --bind "$rust" /mnt/rust
    cd /mnt/source
    as_builder cargo test --locked --offline "$@"' "$@"
fi
