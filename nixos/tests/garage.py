begin()
make_bucket()

with subtest("the hold starts with its bucket"):
    healthy()
    assert "blobs in s3://layers/hold at http://127.0.0.1:3900;" in shown("StatusText"), shown("StatusText")

with subtest("two parts go to the bucket by signed URLs, past the hold"):
    digest = make_layer("/tmp/layer", 9_000_000)
    machine.succeed("split -b 6000000 -d -a 1 /tmp/layer /tmp/part")
    upload = expect(initiate(captain), 200)["uploadId"]
    body = {"uploadId": upload, "partNumber": 1}
    url = expect(post("io.atcr.hold.getPartUploadUrl", captain.token(), body), 200)["url"]
    assert url.startswith("http://127.0.0.1:3900/layers/"), url
    etags = [send_part(captain, upload, number, f"/tmp/part{number - 1}") for number in (1, 2)]

with subtest("a digest that the bytes do not have is refused"):
    expect(complete(captain, upload, "sha256:" + "0" * 64, etags), 400, "InvalidDigest")

with subtest("with the right one they become a blob"):
    upload = expect(initiate(captain), 200)["uploadId"]
    etags = [send_part(captain, upload, number, f"/tmp/part{number - 1}") for number in (1, 2)]
    expect(complete(captain, upload, digest, etags), 200, "completed")
    pull(captain, digest)

with subtest("a changed signature is refused by the bucket"):
    url = expect(blob_url(captain.token(), digest), 200)["url"]
    changed = url.replace("X-Amz-Signature=", "X-Amz-Signature=0", 1)
    assert curl(repr(url), None)[0] == 200
    assert curl(repr(changed), None)[0] in (400, 403)

with subtest("a stranger may neither read nor write"):
    expect(blob_url(stranger.token(), digest), 403)
    expect(initiate(stranger), 403)

with subtest("the secret key is nowhere to be read"):
    machine.succeed("journalctl --sync")
    machine.fail(f"journalctl -o export -u atcr-hold.service | grep -aF {S3_SECRET}")
    machine.fail(f"tr '\\0' '\\n' < /proc/{shown('MainPID')}/environ | grep -F {S3_SECRET}")
