begin()
put_tls_before()

with subtest("the hold answers by TLS, to those who trust the authority"):
    expect(outside(f"{HOLD_URL}/xrpc/_health"), 200, "version")
    assert curl(f"--resolve hold.example.org:443:127.0.0.1 {HOLD_URL}/xrpc/_health", None)[0] == 0

with subtest("plain http is sent to TLS"):
    expect(outside("http://hold.example.org/xrpc/_health"), 301)

with subtest("the socket is nginx's and root's, nobody else's"):
    expect(get("/xrpc/_health"), 200)
    machine.fail(f"setpriv --reuid=65534 --regid=65534 --clear-groups curl -sf --unix-socket {SOCKET} http://hold/")

with subtest("a layer larger than any default limit goes in and comes back"):
    digest = make_layer("/tmp/layer", 30_000_000)
    upload = expect(initiate(captain), 200)["uploadId"]
    body = {"uploadId": upload, "partNumber": 1}
    url = expect(post("io.atcr.hold.getPartUploadUrl", captain.token(), body), 200)["url"]
    expect(outside(f"-D /tmp/head -T /tmp/layer '{url}'"), 200)
    head = machine.succeed("cat /tmp/head").splitlines()
    etag = next(line.split(":", 1)[1].strip() for line in head if line.lower().startswith("etag:"))
    expect(complete(captain, upload, digest, [etag]), 200, "completed")
    url = expect(blob_url(captain.token(), digest), 200)["url"]
    assert machine.succeed(f"curl -sf {SITE} '{url}' | sha256sum").split()[0] == digest[7:]

with subtest("a changed signature is refused through nginx too"):
    expect(outside(f"'{url[:-1]}{'0' if url[-1] != '0' else '1'}'"), 403)

with subtest("the firehose becomes a WebSocket; without the upgrade it is refused"):
    stream = f"{HOLD_URL}/xrpc/com.atproto.sync.subscribeRepos"
    upgrade = "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'"
    key = "-H 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=='"
    # The connection stays open, so curl's time is up: that is no failure.
    head_only = machine.execute(f"curl -s --http1.1 -m 5 -D - -o /dev/null {SITE} {upgrade} {key} {stream}")[1]
    assert " 101 " in head_only.splitlines()[0], head_only
    assert outside(f"--http1.1 {stream}")[0] >= 400
