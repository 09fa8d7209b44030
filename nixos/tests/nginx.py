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

nginx_passes()

with subtest("nginx compresses JSON and weakens the part's entity tag, with which the upload completes all the same"):
    assert outside_head(f"--compressed {HOLD_URL}/xrpc/_health").get("content-encoding") == "gzip"
    digest = make_layer("/tmp/layer", 100_000)
    assert push_outside(captain, "/tmp/layer", digest).startswith('W/"')

with subtest("a changed signature is refused through nginx too"):
    url = expect(blob_url(captain.token(), digest), 200)["url"]
    expect(outside(f"'{url[:-1]}{'0' if url[-1] != '0' else '1'}'"), 403)
