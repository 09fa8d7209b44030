begin()
machine.wait_for_unit("atcr-hold.service")
# A switch moves /run/current-system, so where the others are is kept.
system = machine.succeed("readlink -f /run/current-system").strip()
process = shown("MainPID")


def switch(specialisation: str | None) -> None:
    inside = f"/specialisation/{specialisation}" if specialisation else ""
    machine.succeed(f"{system}{inside}/bin/switch-to-configuration test")


def members() -> list[str]:
    records = expect(get(f"/xrpc/com.atproto.repo.listRecords?repo={HOLD_DID}&collection=io.atcr.hold.crew"), 200)
    return sorted(record["value"]["member"] for record in records["records"])


digest = make_layer("/tmp/layer", 100_000)
push(captain, "/tmp/layer", digest)

with subtest("at first there is only the captain"):
    assert members() == [captain.did]
    expect(initiate(alice), 403, "user is not a crew member")

with subtest("a declared member may write, and the hold was not restarted for it"):
    switch("added")
    assert members() == [alice.did, captain.did]
    expect(initiate(alice), 200)
    assert shown("MainPID") == process

with subtest("others may still not"):
    expect(initiate(stranger), 403, "user is not a crew member")

with subtest("a changed declaration holds at once: reading, no more writing"):
    switch("changed")
    expect(blob_url(alice.token(), digest), 200)
    expect(initiate(alice), 403, "crew member lacks permission")

with subtest("bob joins by a record of the captain's; he may not write such records himself"):
    record = {
        "$type": "io.atcr.hold.crew",
        "member": bob.did,
        "role": "member",
        "permissions": ["blob:read"],
        "addedAt": "2026-01-01T00:00:00Z",
    }
    body = {"repo": HOLD_DID, "collection": "io.atcr.hold.crew", "record": record}
    expect(post("com.atproto.repo.createRecord", captain.token(), body), 200)
    expect(post("com.atproto.repo.createRecord", bob.token(), {**body, "record": {**record, "member": stranger.did}}), 403)

with subtest("alice goes with her declaration, bob stays"):
    switch(None)
    assert members() == [bob.did, captain.did]
    expect(blob_url(alice.token(), digest), 403, "user is not a crew member")
    expect(blob_url(bob.token(), digest), 200)

with subtest("mutableCrew = false leaves nobody but the declared"):
    switch("strict")
    assert members() == [captain.did]
    expect(blob_url(bob.token(), digest), 403)

with subtest("a hold made public is read by anyone, and written by nobody new"):
    expect(blob_url(None, digest), 401)
    switch("public")
    expect(blob_url(None, digest), 200)
    expect(initiate(stranger), 403)

with subtest("all this was one process"):
    assert shown("MainPID") == process

with subtest("the command on the machine names the crew, to root only"):
    assert captain.did in machine.succeed("atcr-hold crew list")
    machine.fail("setpriv --reuid=65534 --regid=65534 --clear-groups atcr-hold crew list")
