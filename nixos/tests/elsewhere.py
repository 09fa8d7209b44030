begin()
machine.wait_for_unit("atcr-hold.service")

with subtest("the directory was made for the hold alone"):
    assert machine.succeed("stat -c '%U:%G %a' /srv/blobs").strip() == "atcr-hold:atcr-hold 700"

with subtest("metrics at an address that is not there yet stop nothing, and are there with it"):
    machine.succeed("systemctl is-active atcr-hold-metrics.socket", "ip address add 192.0.2.7/32 dev lo")
    assert "atcr_hold_uploads_open" in machine.succeed("curl -sf http://192.0.2.7:9464/metrics")

with subtest("blobs go there, and not into the state directory"):
    digest = make_layer("/tmp/layer", 1_000_000)
    push(captain, "/tmp/layer", digest)
    pull(captain, digest)
    machine.succeed(f"test -f /srv/blobs/docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data")
    machine.fail("test -e /var/lib/atcr-hold/blobs")

with subtest("a directory that was taken away stops the hold with 78, before it has changed anything"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", "mv /srv/blobs /srv/away")
    machine.succeed("sha256sum /var/lib/atcr-hold/hold.db > /tmp/before")
    machine.fail("systemctl start atcr-hold.service")
    assert shown("ExecMainStatus") == "78"
    machine.succeed("sha256sum -c /tmp/before")

with subtest("put back, it goes on"):
    machine.succeed("mv /srv/away /srv/blobs", "systemctl reset-failed atcr-hold.service atcr-hold.socket")
    machine.succeed("systemctl start atcr-hold.socket")
    pull(captain, digest)
