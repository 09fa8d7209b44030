import tomllib

CONFIG = "/etc/atcr-hold/config.toml"


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)


def reload(**changes: Any) -> str:
    """Puts other settings beside those of the machine; what the hold logs about it."""
    text = "".join(f"{name} = {toml(value)}\n" for name, value in {**settings, **changes}.items())
    machine.succeed(f"rm -f {CONFIG}", f"cat > {CONFIG} <<'END'\n{text}END")
    cursor = machine.succeed("journalctl -n 0 --show-cursor").split("cursor: ")[1].strip()
    # The hold has logged all of it by the end of the reload.
    machine.succeed("systemctl reload atcr-hold.service", "journalctl --sync")
    lines = f"journalctl -u atcr-hold.service -o cat --after-cursor '{cursor}' _SYSTEMD_UNIT=atcr-hold.service"
    return machine.wait_until_succeeds(f"{lines} | grep configuration && {lines}", timeout=60)


MEMBER = {"role": "member", "permissions": ["blob:read", "blob:write"]}
missing = "sha256:" + "1" * 64
begin()
machine.wait_for_unit("atcr-hold.service")
settings = tomllib.loads(machine.succeed(f"cat {CONFIG}"))
process = shown("MainPID")

with subtest("systemctl status says where the blobs are, who the captain is and how many are crew"):
    assert f"blobs in /var/lib/atcr-hold/blobs; captain {captain.did}; crew 1; open uploads 0" in shown("StatusText"), shown("StatusText")

with subtest("a hold that becomes public answers anybody"):
    expect(blob_url(None, missing), 401)
    reload(public=True)
    expect(blob_url(None, missing), 404)
    reload()
    expect(blob_url(None, missing), 401)

with subtest("crew that is declared comes in, changed crew changes, and crew that is not declared any more goes"):
    expect(initiate(alice), 403, "user is not a crew member")
    reload(crew={alice.did: MEMBER})
    expect(initiate(alice), 200)
    reload(crew={alice.did: {**MEMBER, "permissions": ["blob:read"]}})
    assert "crew 2; open uploads 1" in shown("StatusText"), shown("StatusText")
    expect(initiate(alice), 403, "crew member lacks permission")
    reload()
    expect(initiate(alice), 403, "user is not a crew member")

with subtest("everybody may join once that is allowed, but not into a crew that may not change"):
    expect(post("io.atcr.hold.requestCrew", bob.token(), {}), 403)
    reload(allow_all_crew=True, mutable_crew=False)
    expect(post("io.atcr.hold.requestCrew", bob.token(), {}), 403)
    reload(allow_all_crew=True)
    expect(post("io.atcr.hold.requestCrew", bob.token(), {}), 201)
    expect(initiate(bob), 200)
    reload(mutable_crew=False)
    expect(initiate(bob), 403)

with subtest("limits hold from the next request on"):
    make_layer("/tmp/layer", 5_000)
    upload = expect(initiate(captain), 200)["uploadId"]
    body = {"uploadId": upload, "partNumber": 1}
    url = expect(post("io.atcr.hold.getPartUploadUrl", captain.token(), body), 200)["url"]
    reload(limits={"max_part_bytes": 1_000, "uploads_per_account": 1})
    expect(curl(f"-T /tmp/layer {local(url)}"), 413)
    expect(initiate(captain), 429)
    reload()
    put_part(url, "/tmp/layer")
    expect(initiate(captain), 200)

with subtest("a wrong configuration is refused in one line, and the one from before stays"):
    reload(public=True)
    told = reload(owner="nobody")
    # The hold may log something else meanwhile, such as uploads of former crew that are dropped.
    assert re.search(rf"^the configuration is refused.*: owner \(HOLD_OWNER\): .* \(from {CONFIG}\)$", told, re.M), told
    assert "reload refused: owner" in shown("StatusText")
    expect(blob_url(None, missing), 404)
    expect(initiate(captain), 200)

with subtest("what needs a restart is named, and the rest is followed"):
    told = reload(public_url="https://other.example.org", server={"addr": ":9999"}, public=False)
    assert "only after a restart: public_url, server.addr" in told, told
    expect(blob_url(None, missing), 401)
    assert expect(get("/.well-known/did.json"), 200)["id"] == HOLD_DID

with subtest("a right one is followed again, by the same process"):
    told = reload()
    assert "refused" not in told and "restart" not in told, told
    assert "refused" not in shown("StatusText")
    assert shown("MainPID") == process and shown("NRestarts") == "0"
