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

# install_clients: what cannot be had is missing afterwards, and the run says so.
install_clients() {
  need skopeo buildah podman conmon curl
  mkdir -p "$clients_home"
  local work
  work=$(mktemp -d)
  (cd "$work" && unpack_docker && unpack_newer) >&2 || say "Not every client can be had"
  rm -rf "$work"
}

unpack_docker() {
  [ ! -x "$clients_home/usr/sbin/dockerd" ] || return 0
  say "Fetching Debian's docker and containerd"
  download() { apt-get -qq -o APT::Sandbox::User=root download docker.io containerd runc; }
  { download || { as_root apt-get update -qq && download; }; } || return 1
  # The first one last: it is the one that is looked for.
  local package
  for package in runc containerd docker.io; do dpkg-deb -x "$package"_*.deb "$clients_home"; done
}

unpack_newer() {
  local mirror place hash file
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/$' | head -n 1)
  while read -r place hash; do
    file=${place##*/}
    if [ -z "$place" ] || [ -x "$clients_home/usr/bin/${file%%_*}" ]; then continue; fi
    say "Fetching $file"
    curl -sSf --max-time 120 -o package.deb "${mirror}pool/main/${place}_amd64.deb" || continue
    if echo "$hash  package.deb" | sha256sum --quiet -c -; then dpkg-deb -x package.deb "$clients_home"; fi
  done <<<"$newer_packages"
}
