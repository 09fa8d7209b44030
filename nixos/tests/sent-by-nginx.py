begin()
put_tls_before()
digest = make_layer("/tmp/layer", 5_000_000)
push(captain, "/tmp/layer", digest)
url = expect(blob_url(captain.token(), digest), 200)["url"]
changed = f"{url[:-1]}{'0' if url[-1] != '0' else '1'}"
FILE = f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"

with subtest("the files are for the hold and nginx, nobody else"):
    assert machine.succeed("stat -c '%U:%G %a' /srv/blobs").strip() == "atcr-hold:atcr-hold 750"
    main = machine.succeed("systemctl show --value -p MainPID nginx.service").strip()
    worker = machine.succeed(f"cut -d' ' -f1 /proc/{main}/task/{main}/children").strip()
    nginx = machine.succeed(f"getent passwd $(awk '/^Uid:/ {{ print $2 }}' /proc/{worker}/status) | cut -d: -f1").strip()
    assert nginx != "root"
    machine.succeed(f"setpriv --reuid={nginx} --regid={nginx} --init-groups test -r /srv/blobs/{FILE}")
    machine.fail(f"setpriv --reuid=65534 --regid=65534 --clear-groups test -r /srv/blobs/{FILE}")
    machine.fail(f"setpriv --reuid={nginx} --regid={nginx} --init-groups test -r /var/lib/atcr-hold/hold.db")

with subtest("the hold says where the blob is and sends nothing; a changed signature is told nothing"):
    inside = machine.succeed(f"curl -si --unix-socket {SOCKET} {local(url)}").lower()
    assert f"x-accel-redirect: /.blobs/{FILE}" in inside and "content-length: 0" in inside, inside
    inside = machine.succeed(f"curl -si --unix-socket {SOCKET} {local(changed)}").lower()
    assert " 403 " in inside.splitlines()[0] and "x-accel-redirect" not in inside, inside

with subtest("nginx sends the bytes, with what the hold says of them"):
    assert machine.succeed(f"curl -sf {SITE} '{url}' | sha256sum").split()[0] == digest[7:]
    head = outside_head(f"'{url}'")
    for name, value in {
        "status": "200",
        "content-length": "5000000",
        "content-type": "application/octet-stream",
        "etag": f'"{digest}"',
        "docker-content-digest": digest,
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "content-disposition": "attachment",
        "accept-ranges": "bytes",
        "access-control-allow-origin": "*",
    }.items():
        assert head.get(name) == value, f"{name}: {head}"
    assert "x-accel-redirect" not in head, head

with subtest("ranges are nginx's; one beyond the end is refused"):
    piece = machine.succeed("dd if=/tmp/layer bs=1 skip=1000 count=500 status=none | sha256sum")
    assert machine.succeed(f"curl -sf -r 1000-1499 {SITE} '{url}' | sha256sum") == piece
    head = outside_head(f"-r 1000-1499 '{url}'")
    assert head["status"] == "206" and head["content-range"] == "bytes 1000-1499/5000000", head
    assert head["docker-content-digest"] == digest, head
    assert outside_head(f"-r 5000000- '{url}'")["status"] == "416"

with subtest("HEAD has the length and no body; the URL of a download is refused"):
    target = f"/xrpc/com.atproto.sync.getBlob?did={HOLD_DID}&cid={digest}&method=HEAD"
    for_head = expect(get(target, captain.token()), 200)["url"]
    head = outside_head(f"-I '{for_head}'")
    assert head["status"] == "200" and head["content-length"] == "5000000", head
    assert outside_head(f"-I '{url}'")["status"] == "403"

with subtest("who may not read gets nothing through nginx: a changed signature, no signature, a stranger"):
    expect(outside(f"'{changed}'"), 403)
    expect(outside(f"'{HOLD_URL}/blobs/{digest}'"), 403)
    bearer = f"-H 'Authorization: Bearer {stranger.token()}'"
    expect(outside(f"{bearer} '{HOLD_URL}/xrpc/com.atproto.sync.getBlob?did={HOLD_DID}&cid={digest}'"), 403)

with subtest("the place of the files is closed to the world"):
    expect(outside(f"{HOLD_URL}/.blobs/{FILE}"), 404)
    expect(outside(f"{HOLD_URL}/.blobs/"), 404)
    expect(outside(f"--path-as-is {HOLD_URL}/blobs/../.blobs/{FILE}"), 404)

with subtest("a blob whose file is gone is not found"):
    machine.succeed(f"mv /srv/blobs/{FILE} /srv/blobs/away")
    expect(outside(f"'{url}'"), 404)
    machine.succeed(f"mv /srv/blobs/away /srv/blobs/{FILE}")
    assert machine.succeed(f"curl -sf {SITE} '{url}' | sha256sum").split()[0] == digest[7:]
