# shellcheck shell=bash
# The real OCI clients: how they are got. Sourced after tests/lib.sh, never run.
#
# skopeo, buildah and podman are installed. The others are unpacked, not installed (docker's package would start a daemon of
# the machine's own), and kept outside the checkout; clients of newer Debian releases run on this one.

clients_home=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/atcr-hold/clients-1

# Of newer releases: place in the archive's pool, and SHA-256.
newer_packages='
o/oras/oras_1.2.0-1+b9 5f138419f0e4bc128ee4717b06190dc5770cf120ab7e3a991e5b3e9158f3189e
c/cosign/cosign_2.5.0-2+b5 3b6eadd27f3c4c00bfa7eab5c2397a6a15a763630c7a1d40d06ff60d24799eef
g/go-containerregistry/crane_0.20.7+ds1-5 2d4bdb12724eda42214bb8957aecc472e561317938da3c95402a9ee30c73fa3b
g/golang-github-notaryproject-notation/notation_1.3.2-2 f99975ecb56869b85290b30322167d1392e7f7d4eebb40a8bec4386bb95a6789
'
# BuildKit, in a docker with containerd's image store.
buildkit_packages='
c/containerd/containerd_2.1.9+ds1-5 2dda86ce7033fd612fc50e136679d8174ccad680eb29cd4611e0d2a1b84cf591
d/docker.io/docker.io_28.5.2+dfsg4-5 69a59cc77a1fb8ee9ad6859abc2e6de5d76b70887405595c2b1307818fecf682
d/docker.io/docker-cli_28.5.2+dfsg4-5 8ea2428acdda666f41263f5a0d3a85681a696491361574eb7bd721a1194939b9
d/docker-buildx/docker-buildx_0.29.1+ds1-4 6103bcc4eab8169ae679f806d3949ffc99a1545a61fddea6124da826f115f2bf
'

# install_clients: what cannot be had is missing afterwards, and the run says so.
install_clients() {
  need skopeo buildah podman conmon curl
  mkdir -p "$clients_home"
  local work
  work=$(mktemp -d)
  (cd "$work" && unpack_docker && unpack_newer && unpack_buildkit) >&2 || say "Not every client can be had"
  rm -rf "$work"
}

unpack_docker() {
  [ ! -x "$clients_home/usr/sbin/dockerd" ] || return 0
  say "Fetching Debian's docker and containerd"
  download_packages docker.io containerd runc || return 1
  # The first one last: it is the one that is looked for.
  local package
  for package in runc containerd docker.io; do dpkg-deb -x "$package"_*.deb "$clients_home"; done
}

unpack_newer() {
  local place hash file
  while read -r place hash; do
    file=${place##*/}
    if [ -z "$place" ] || [ -x "$clients_home/usr/bin/${file%%_*}" ]; then continue; fi
    if fetch_package "$place" "$hash"; then dpkg-deb -x package.deb "$clients_home"; fi
  done <<<"$newer_packages"
}

# unpack_buildkit: the newer docker has a folder of its own beside the older one; runc is that of the older one.
unpack_buildkit() {
  local place hash home=$clients_home/docker-28
  [ ! -x "$home/usr/bin/docker-buildx" ] || return 0
  while read -r place hash; do
    if [ -z "$place" ]; then continue; fi
    fetch_package "$place" "$hash" || return 1
    dpkg-deb -x package.deb "$home"
  done <<<"$buildkit_packages"
  ln -sf "$clients_home/usr/sbin/runc" "$home/usr/bin/runc"
  # The last one: it is the one that is looked for.
  ln -sf ../libexec/docker/cli-plugins/docker-buildx "$home/usr/bin/docker-buildx"
}

# fetch_package PLACE HASH: leaves it in package.deb.
fetch_package() {
  local mirror
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/$' | head -n 1)
  say "Fetching ${1##*/}"
  curl -sSf --retry 5 --retry-all-errors --max-time 120 -o package.deb "${mirror}pool/main/${1}_amd64.deb" || return 1
  echo "$2  package.deb" | sha256sum --quiet -c -
}
