KEY = "c0ffee" + "17" * 29
PASSWORD = "planted-secret-of-the-test"

machine.wait_for_unit("multi-user.target")
machine.succeed("mkdir -p /run/keys", "chmod 700 /run/keys")
machine.succeed(f"(umask 077; echo {KEY} > /run/keys/hold-signing-key)")
machine.succeed(f"(umask 077; printf 'AWS_SECRET_ACCESS_KEY={PASSWORD}\\nHOLD_PUBLIC=true\\n' > /run/keys/hold.env)")
begin()

with subtest("the hold signs with the key that it was given"):
    document = expect(get("/.well-known/did.json"), 200)
    assert document["verificationMethod"][0]["publicKeyMultibase"] == multikey(int(KEY, 16))

with subtest("and made none of its own"):
    machine.fail("find /var/lib/atcr-hold/ -name 'signing.key*' | grep .")

with subtest("what the environment file says goes before the options"):
    captain_record = expect(
        get(f"/xrpc/com.atproto.repo.getRecord?repo={HOLD_DID}&collection=io.atcr.hold.captain&rkey=self"), 200
    )
    assert captain_record["value"]["public"] is True

with subtest("the hold works, and has refused somebody"):
    digest = make_layer("/tmp/layer", 100_000)
    push(captain, "/tmp/layer", digest)
    pull(captain, digest)
    token = stranger.token()
    expect(post("io.atcr.hold.initiateUpload", token, {"digest": "x"}), 403)

with subtest("no secret is in its environment or on its command line"):
    process = shown("MainPID")
    for secret in (KEY, PASSWORD):
        machine.fail(f"tr '\\0' '\\n' < /proc/{process}/environ | grep -F {secret}")
        machine.fail(f"tr '\\0' '\\n' < /proc/{process}/cmdline | grep -F {secret}")
    machine.succeed(f"tr '\\0' '\\n' < /proc/{process}/environ | grep CREDENTIALS_DIRECTORY")

with subtest("none is in the journal, at debug level, nor a token"):
    machine.succeed("journalctl --sync")
    machine.succeed("journalctl -o json -u atcr-hold.service | grep ready > /dev/null")
    for secret in (KEY, PASSWORD, token, token.rsplit(".", 1)[1]):
        machine.fail(f"journalctl -o export | grep -aF {secret}")

with subtest("none is in what the system was made of"):
    places = "/etc/systemd/system /etc/atcr-hold /run/current-system/etc/systemd /run/current-system/etc/atcr-hold"
    machine.succeed(f"grep -RsqF HOLD_SIGNING_KEY {places}")
    for secret in (KEY, PASSWORD):
        # Root follows the links to the files themselves.
        machine.fail(f"grep -RsqF --exclude-dir=credentials {secret} {places}")

with subtest("root's commands have what the service has, while it is stopped; others have nothing"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service")
    machine.succeed("atcr-hold repo verify")
    machine.succeed("atcr-hold check-config | grep -x 'public = true'")
    used = machine.fail("atcr-hold identity new-key --yes-the-old-key-is-lost 2>&1")
    assert "HOLD_SIGNING_KEY" in used and "move it aside" in used, used
    unseen = machine.fail("CREDENTIALS_DIRECTORY=/nowhere atcr-hold identity new-key 2>&1")
    assert "--yes-the-old-key-is-lost" in unseen, unseen
    machine.fail("find /var/lib/atcr-hold/ -name 'signing.key*' | grep .")
    machine.fail("setpriv --reuid nobody --clear-groups cat /etc/atcr-hold/credentials/HOLD_SIGNING_KEY")
    machine.succeed("systemctl start atcr-hold.socket atcr-hold.service")

with subtest("a key that is missing stops the start"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", "mv /run/keys/hold-signing-key /run/keys/away")
    machine.fail("systemctl start atcr-hold.service")
    machine.succeed("mv /run/keys/away /run/keys/hold-signing-key", "systemctl reset-failed atcr-hold.service")
    machine.succeed("systemctl start atcr-hold.service")
    assert expect(get("/.well-known/did.json"), 200) == document
