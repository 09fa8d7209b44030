REGISTRY = "registry.example.org"
IMAGE = f"{REGISTRY}/alice.example.org/app:v1"


APPVIEW = "atcr-appview.service"


def of_registry(name: str) -> str:
    return shown(name, APPVIEW)


for account in (alice, bob):
    account.handle, account.pds = account.name + ".example.org", "http://localhost:2583"
begin()
machine.wait_for_unit("pds.service")
make_certificate("hold.example.org", REGISTRY)
# On NixOS they are there already.
machine.succeed("ip address replace 11.0.0.1/32 dev lo")
machine.succeed(f"grep -q {REGISTRY} /etc/hosts || echo 11.0.0.1 hold.example.org {REGISTRY} >> /etc/hosts")
machine.succeed("systemctl reset-failed nginx.service", "systemctl restart nginx.service")
machine.wait_for_open_port(443)

with subtest("the first client starts the registry, and is asked who it is"):
    assert of_registry("ActiveState") == "inactive"
    head = machine.succeed(f"curl -s -o /dev/null -D - --cacert /run/tls/ca.pem https://{REGISTRY}/v2/").lower()
    assert " 401" in head.splitlines()[0] and f'bearer realm="https://{REGISTRY}/auth/token"' in head, head
    assert of_registry("ActiveState") == "active"

with subtest("it is in the same sandbox as the hold, and its state is closed to others"):
    machine.succeed("systemd-analyze security --threshold=11 atcr-appview.service")
    assert machine.succeed(f"stat -c %u /proc/{of_registry('MainPID')}").strip() != "0"
    assert machine.succeed("stat -L -c %a /var/lib/atcr-appview").strip() == "700"
    assert machine.succeed("stat -c '%U:%G %a' /run/atcr-appview.sock").strip().endswith(" 660")

digest = make_image(3_000_000)
PUSH = push_image(IMAGE, "alice.example.org:app-alice")

with subtest("an owner pushes with an app password"):
    machine.succeed(PUSH)

with subtest("a wrong password, nobody, and another account do not"):
    for credentials in ("alice.example.org:wrong", "", "bob.example.org:app-bob"):
        machine.fail(push_image(IMAGE, credentials))

with subtest("anybody pulls from a public hold, and gets what was pushed"):
    assert pull_image(IMAGE) == digest
    listed = json.loads(machine.succeed(f"{CLIENT} list-tags docker://{REGISTRY}/alice.example.org/app"))
    assert listed["Tags"] == ["v1"], listed

with subtest("the manifest is in its owner's repository, the blobs are in the hold"):
    asked = f"repo={alice.did}&collection=io.atcr.manifest&rkey={digest.removeprefix('sha256:')}"
    record = expect(curl(f"'http://127.0.0.1:2583/xrpc/com.atproto.repo.getRecord?{asked}'", None), 200)["value"]
    assert record["holdDid"] == HOLD_DID and record["digest"] == digest, record
    for layer in record["layers"]:
        expect(blob_url(None, layer["digest"]), 200, "url")

with subtest("who is no crew of the hold cannot push to it, and is told so"):
    status, said = machine.execute(push_image(f"{REGISTRY}/bob.example.org/app:v1", "bob.example.org:app-bob"))
    assert status != 0 and "denied" in said.lower(), said

with subtest("after restarts of all parts the image is there, and pushes go on"):
    machine.succeed("systemctl restart atcr-appview.service atcr-hold.service nginx.service")
    assert pull_image(IMAGE) == digest
    digest = make_image(1_000_000)
    machine.succeed(PUSH)
    assert pull_image(IMAGE) == digest

with subtest("its metrics are at a socket of their own, its commands go through the admin socket"):
    expect(curl("http://127.0.0.1:9465/metrics", None), 200, "atcr_appview_build_info{")
    assert "session" in machine.succeed("atcr-appview status").lower()
    machine.fail("setpriv --reuid=65534 --regid=65534 --clear-groups atcr-appview status 2>&1")

with subtest("a switch that closes it to an account is followed without a restart, and one back"):
    base = machine.succeed("readlink -f /run/current-system").strip()
    process = of_registry("MainPID")
    machine.succeed(f"{base}/specialisation/closed/bin/switch-to-configuration test 2>&1")
    machine.fail(PUSH)
    assert pull_image(IMAGE) == digest
    machine.succeed(f"{base}/bin/switch-to-configuration test 2>&1")
    machine.succeed(PUSH)
    assert of_registry("MainPID") == process

with subtest("its database is copied while it runs"):
    machine.succeed("systemctl start atcr-appview-backup.service")
    assert machine.succeed("ls /var/backup/atcr-appview").startswith("appview-20")

with subtest("a registry that was killed comes back; stopped, it leaves the hold alone"):
    machine.succeed(f"kill -KILL {of_registry('MainPID')}")
    machine.wait_until_succeeds("systemctl show --value -p NRestarts atcr-appview.service | grep -qx 1")
    assert pull_image(IMAGE) == digest
    machine.succeed("systemctl stop atcr-appview.service")
    assert of_registry("Result") == "success"
    healthy()
    assert pull_image(IMAGE) == digest

with subtest("each request is an entry of the journal, with fields of its own; a refusal has its name"):
    manifest = entry(APPVIEW, METHOD="PUT", STATUS="201", PATH="/v2/alice.example.org/app/manifests/v1")
    expect_request(manifest, "atcr-appview")
    assert manifest["DID"] == alice.did and manifest["DIGEST"] == digest and manifest["PEER"], manifest
    refusal = entry(APPVIEW, STATUS="401", PATH="/auth/token")
    expect_request(refusal, "atcr-appview")
    assert refusal["ERROR"] == "UNAUTHORIZED" and "DID" not in refusal, refusal
    machine.succeed(f"curl -s -o /dev/null -D /tmp/head --cacert /run/tls/ca.pem https://{REGISTRY}/nothing")
    name = machine.succeed("grep -i ^x-request-id: /tmp/head").split(":")[1].strip()
    assert entry(APPVIEW, REQUEST_ID=name)["PATH"] == "/nothing"

with subtest("neither password nor key is in the journal"):
    machine.succeed("journalctl --sync")
    machine.fail("journalctl -o export -u atcr-appview.service | grep -aE 'app-alice|app-bob'")
