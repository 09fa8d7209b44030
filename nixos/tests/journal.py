PLANTED = "Planted0Secret0That0Nobody0May0See"
DROPIN = "/run/systemd/system/atcr-hold.service.d"

begin()
machine.wait_for_unit("atcr-hold.service")
machine.succeed(
    f"umask 077; mkdir -p {DROPIN}; printf {PLANTED} > /run/planted",
    f"chmod 755 {DROPIN}; printf '[Service]\\nLoadCredential=AWS_SECRET_ACCESS_KEY:/run/planted\\n' > {DROPIN}/secret.conf",
    "systemctl daemon-reload",
    "systemctl restart atcr-hold.service",
)
digest = make_layer("/tmp/layer", 100_000)
token = captain.token()
upload = expect(post("io.atcr.hold.initiateUpload", token, {"digest": "uploads/temp-1"}), 200)["uploadId"]
body = {"uploadId": upload, "partNumber": 1}
part_url = expect(post("io.atcr.hold.getPartUploadUrl", token, body), 200)["url"]
etag = put_part(part_url, "/tmp/layer")
expect(complete(captain, upload, digest, [etag]), 200)
blob = expect(blob_url(token, digest), 200)["url"]
expect(curl(f"-r 0-9 {local(blob)}"), 206)
forged = captain.token(key=alice.key)
expect(post("io.atcr.hold.initiateUpload", forged, {"digest": "uploads/temp-1"}), 401)
expect(curl(local(part_url[:-1] + "~")), 405)
expect(curl(f"-T /tmp/layer {local(part_url[:-1] + '~')}"), 403)


with subtest("each request is an entry with fields of its own"):
    found = entry(NSID="io.atcr.hold.completeUpload")
    assert found["DID"] == captain.did and found["DIGEST"] == digest and found["STATUS"] == "200", found
    expect_request(found, "atcr-hold")

with subtest("a refusal is one too, with its name"):
    assert entry(STATUS="401")["ERROR"] == "BadJwtSignature"

with subtest("the answer's id finds its entry"):
    expect(curl(f"-D /tmp/head {local(HOLD_URL + '/nothing')}"), 404)
    name = machine.succeed("grep -i ^x-request-id: /tmp/head").split(":")[1].strip()
    assert entry(REQUEST_ID=name)["PATH"] == "/nothing"

with subtest("what must stay secret is nowhere in the journal, at the most talkative level"):
    key = machine.succeed("base64 -w0 /var/lib/atcr-hold/keys/signing.key")
    key_bytes = base64.b64decode(key)
    secret = [PLANTED, token, token.rsplit(".", 1)[1], forged.rsplit(".", 1)[1], key, key_bytes.hex()]
    secret += [part_url.split("?")[1], blob.split("?")[1]]
    text = key_bytes.decode(errors="replace").strip()
    secret += [text] if text.isprintable() else []
    for url in (part_url, blob):
        # The last value of the query is its signature.
        secret.append(url.rsplit("=", 1)[1])
    machine.succeed("journalctl --sync")
    journal = machine.succeed("journalctl -b -o export --no-pager | base64 -w0")
    journal_text = base64.b64decode(journal).decode(errors="replace")
    assert "uploadPart" in journal_text and captain.did in journal_text, "the journal was read"
    for planted in secret:
        assert len(planted) > 10 and planted not in journal_text, f"{planted[:12]}… is in the journal"

with subtest("the daemon has read its credential from where only it can, and passes it on to nobody"):
    machine.succeed("test -e /run/credentials/atcr-hold.service/AWS_SECRET_ACCESS_KEY")
    process = shown("MainPID")
    machine.fail(f"grep -qa {PLANTED} /proc/{process}/environ /proc/{process}/cmdline")
    machine.fail(f"grep -rqs {PLANTED} /etc /run/systemd/system")
