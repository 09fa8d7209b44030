RESTARTS = 20

begin()
machine.wait_for_unit("atcr-hold.service")
healthy()
load = f"""
while ! test -e /tmp/enough; do
  curl -s -o /dev/null -m 60 -w '%{{http_code}}\\n' --unix-socket {SOCKET} http://hold/xrpc/_health || true
done >> /tmp/load.$1
"""
machine.succeed(f"cat > /tmp/load.sh <<'END'\n{load}END")

with subtest("four clients ask without a pause, and one sends a part slowly"):
    for client in range(4):
        machine.succeed(f"systemd-run --unit=load-{client} $(command -v bash) /tmp/load.sh {client} 2>&1")
    digest = make_layer("/tmp/layer", 8_000_000)
    upload = expect(initiate(captain), 200)["uploadId"]
    body = {"uploadId": upload, "partNumber": 1}
    url = expect(post("io.atcr.hold.getPartUploadUrl", captain.token(), body), 200)["url"]
    machine.succeed(
        f"systemd-run --unit=slow $(command -v curl) -sf --limit-rate 2M -D /tmp/slow.head -T /tmp/layer"
        f" --unix-socket {SOCKET} {local(url)} 2>&1"
    )

with subtest(f"the hold is restarted {RESTARTS} times"):
    before = shown("InvocationID")
    for _ in range(RESTARTS):
        machine.succeed("systemctl restart atcr-hold.service")
    assert shown("InvocationID") != before

with subtest("the part that was on its way has arrived, and the upload goes on"):
    machine.wait_until_succeeds("grep -qi '^etag:' /tmp/slow.head")
    head = machine.succeed("cat /tmp/slow.head").splitlines()
    etag = next(line.split(":", 1)[1].strip() for line in head if line.lower().startswith("etag:"))
    expect(complete(captain, upload, digest, [etag]), 200, "completed")
    pull(captain, digest)

with subtest("every request was answered: 200 each, none refused, none cut"):
    machine.succeed("touch /tmp/enough")
    for client in range(4):
        machine.wait_until_fails(f"systemctl is-active load-{client}.service")
    codes = machine.succeed("cat /tmp/load.? | sort | uniq -c | sed 's/^ *//'").split("\n")
    assert [line.split()[1] for line in codes if line] == ["200"], f"{codes}"

with subtest("a stopped socket does refuse: the load would have noticed"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service")
    assert curl(local(HOLD_URL + "/xrpc/_health"))[0] == 0
