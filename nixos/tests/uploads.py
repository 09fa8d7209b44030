begin()
machine.wait_for_unit("atcr-hold.service")
digest = make_layer("/tmp/layer", 11_000_000)
machine.succeed("split -b 4000000 -d -a 1 /tmp/layer /tmp/part")

with subtest("the captain uploads three parts, and a restart between them loses none"):
    upload = expect(initiate(captain), 200)["uploadId"]
    etags = [send_part(captain, upload, 1, "/tmp/part0"), send_part(captain, upload, 2, "/tmp/part1")]
    machine.succeed("systemctl restart atcr-hold.service")
    etags.append(send_part(captain, upload, 3, "/tmp/part2"))

with subtest("a digest that the bytes do not have is refused, and nothing is to be seen"):
    wrong = "sha256:" + "0" * 64
    expect(complete(captain, upload, wrong, etags), 400, "InvalidDigest")
    expect(blob_url(captain.token(), wrong), 404)

with subtest("the right digest makes it a blob, twice over"):
    upload = expect(initiate(captain), 200)["uploadId"]
    etags = [send_part(captain, upload, number, f"/tmp/part{number - 1}") for number in (1, 2, 3)]
    expect(complete(captain, upload, digest, etags), 200, "completed")
    push(captain, "/tmp/layer", digest)

with subtest("the bytes come back as they went in"):
    pull(captain, digest)

with subtest("a range is a part of them, and one beyond the end is refused"):
    url = expect(blob_url(captain.token(), digest), 200)["url"]
    expect(curl(f"-r 0-99 {local(url)}"), 206)
    expect(curl(f"-r 99000000- {local(url)}"), 416)

with subtest("a signed URL that was changed is refused"):
    expect(curl(local(url[:-1] + ("0" if url[-1] != "0" else "1"))), 403)

with subtest("a private hold tells nobody else whether it has a blob"):
    expect(blob_url(None, digest), 401)
    there, missing = blob_url(stranger.token(), digest), blob_url(stranger.token(), "sha256:" + "1" * 64)
    assert there == missing and there[0] == 403, f"{there} {missing}"

with subtest("a stranger may not upload"):
    expect(initiate(stranger), 403, "user is not a crew member")

with subtest("a blob is a file that only the hold may read"):
    hexadecimal = digest.removeprefix("sha256:")
    path = f"/var/lib/atcr-hold/blobs/docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"
    assert machine.succeed(f"stat -L -c %a {path}").strip() == "600"
