# A Debian machine without the module, and the commands of the manuals' pages on Debian as they stand there.
INSTALL, UPGRADE, SECOND = STEPS
INSTALL_REGISTRY, UPGRADE_REGISTRY = REGISTRY_STEPS
CONFIG = "/etc/atcr-hold/config.toml"
UNIT = "/etc/systemd/system/atcr-hold.service"
STATE = "/var/lib/atcr-hold"
WRITTEN = "hold-2026-11-23.db"
# Whom the manual's configuration names.
captain.did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"

with subtest("a fresh machine has no hold"):
    machine.fail("command -v atcr-hold")
    machine.fail("systemctl cat atcr-hold.service")

with subtest("the manual's commands install one that runs"):
    machine.succeed("cd /root\n" + INSTALL)
    machine.wait_for_unit("atcr-hold.service")
    healthy()
    expect(get("/.well-known/did.json"), 200, HOLD_DID)
    assert "did:plc:ewvi7nxzyoun6zhxrhs64oiz" in machine.succeed(f"atcr-hold crew list --config {CONFIG}")

with subtest("its socket is www-data's and root's, nobody else's"):
    assert machine.succeed(f"stat -c '%U:%G %a' {SOCKET}").strip() == "root:www-data 660"
    machine.fail(f"setpriv --reuid=65534 --regid=65534 --clear-groups curl -sf --unix-socket {SOCKET} http://hold/")

with subtest("it is in the sandbox"):
    machine.succeed("systemd-analyze security --threshold=11 atcr-hold.service")
    assert machine.succeed(f"stat -c %u /proc/{shown('MainPID')}").strip() != "0"

with subtest("it comes back with the machine"):
    machine.succeed("systemctl is-enabled atcr-hold.socket atcr-hold.service")

with subtest("a blob goes in and comes back; a stranger's does not go in"):
    # Accounts that exist in this test only.
    machine.succeed(f"printf 'test_mode = true\\nidentity.plc_url = \"http://127.0.0.1:2582\"\\n' >> {CONFIG}")
    machine.succeed("systemctl restart atcr-hold.service")
    begin()
    digest = make_layer("/tmp/layer", 1_000_000)
    push(captain, "/tmp/layer", digest)
    pull(captain, digest)
    expect(initiate(stranger), 403)

with subtest("the manual's commands upgrade it: the socket stays, an upload goes on, the blob is there"):
    upload = expect(initiate(captain), 200)["uploadId"]
    second = make_layer("/tmp/second", 1_000_000)
    etag = send_part(captain, upload, 1, "/tmp/second")
    before = shown("MainPID")
    since = machine.succeed("systemctl show --value -p ActiveEnterTimestampMonotonic atcr-hold.socket")
    machine.succeed("cd /root\n" + UPGRADE)
    assert shown("MainPID") != before
    assert machine.succeed("systemctl show --value -p ActiveEnterTimestampMonotonic atcr-hold.socket") == since
    expect(complete(captain, upload, second, [etag]), 200, "completed")
    pull(captain, digest)
    pull(captain, second)

with subtest("units that are right are no mistake; changed ones are not written over, unless by force"):
    machine.succeed("atcr-hold systemd-units --directory /etc/systemd/system")
    machine.succeed(f"cp {UNIT} /tmp/unit; sed -i s/TasksMax=256/TasksMax=255/ {UNIT}; cp {UNIT} /tmp/changed")
    status, said = machine.execute("atcr-hold systemd-units --directory /etc/systemd/system 2>&1")
    assert status == 1 and "--force" in said and UNIT in said, said
    machine.succeed(f"cmp {UNIT} /tmp/changed")
    machine.succeed("atcr-hold systemd-units --directory /etc/systemd/system --force", f"cmp {UNIT} /tmp/unit")

with subtest("a bad configuration is refused: by check-config, by a reload that changes nothing, by a start with 78"):
    machine.succeed(f"cp {CONFIG} /tmp/good; sed -i 's/^owner.*/owner = \"alice\"/' {CONFIG}")
    status, said = machine.execute(f"atcr-hold check-config --config {CONFIG} 2>&1")
    assert status == 78 and "owner" in said, said
    machine.execute("systemctl reload atcr-hold.service")
    healthy()
    assert "owner" in shown("StatusText")
    machine.execute("systemctl restart atcr-hold.service")
    assert shown("ExecMainStatus") == "78" and shown("NRestarts") == "0"
    machine.succeed("journalctl --sync", "journalctl -u atcr-hold.service -o cat | grep owner")

with subtest("put right, it goes on"):
    machine.succeed(f"cp /tmp/good {CONFIG}", "systemctl reset-failed atcr-hold.service atcr-hold.socket")
    machine.succeed("systemctl start atcr-hold.socket atcr-hold.service")
    pull(captain, digest)

with subtest("the manual's commands back it up"):
    back_up, timer = GUIDE["Back up"]
    machine.succeed("cd /root\n" + back_up)
    (backup,) = machine.succeed("ls /backup | grep ^hold-").split()
    machine.succeed("cd /root\n" + timer, "systemctl start atcr-hold-backup.service")
    assert machine.succeed("ls /var/backups/atcr-hold").startswith("hold-20")
    healthy()
    late = make_layer("/tmp/late", 1_000_000)
    push(captain, "/tmp/late", late)

with subtest("they restore it where it never ran: what was acknowledged before is there, what came after is not"):
    onto_nothing, in_its_place = (block.replace(WRITTEN, backup) for block in GUIDE["Restore"])
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service")
    machine.succeed(f"rm -r {STATE} /var/lib/private/atcr-hold")
    machine.succeed("cd /root\n" + onto_nothing)
    pull(captain, digest)
    pull(captain, second)
    expect(blob_url(captain.token(), late), 404)
    push(captain, "/tmp/late", late)

with subtest("they restore the database alone in its place; what it does not know is recorded"):
    machine.succeed("cd /root\n" + in_its_place)
    pull(captain, late)

with subtest("what root makes by a command while it is stopped is in nobody's way"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", f"rm {STATE}/hold.db.lock")
    machine.succeed(f"atcr-hold --config {CONFIG} repo verify", "systemctl start atcr-hold.socket atcr-hold.service")
    pull(captain, late)

with subtest("they give it another key"):
    (new_key,) = GUIDE["The key is lost, or known to others"]
    before = get("/.well-known/did.json")[1]
    machine.succeed("cd /root\n" + new_key)
    healthy()
    assert get("/.well-known/did.json")[1] != before
    machine.succeed(f"atcr-hold --config {CONFIG} repo verify")
    pull(captain, late)

with subtest("the manual's commands run a second hold beside it, with a state, a key and copies of its own"):
    second = "/etc/atcr-hold-2/config.toml"
    machine.succeed(f"mkdir /etc/atcr-hold-2; sed 's#atcr-hold#atcr-hold-2#; s#//hold[.]#//second.#' {CONFIG} > {second}")
    machine.succeed(SECOND)
    machine.wait_for_unit("atcr-hold-2.service")
    first_document, second_document = (
        json.loads(machine.succeed(f"curl -sf --unix-socket /run/{name}.sock http://hold/.well-known/did.json"))
        for name in ("atcr-hold", "atcr-hold-2")
    )
    assert (first_document["id"], second_document["id"]) == (HOLD_DID, "did:web:second.example.org")
    assert first_document["verificationMethod"] != second_document["verificationMethod"]
    machine.succeed("install -d -m 700 /var/backups/atcr-hold-2", "systemctl start atcr-hold-2-backup.service")
    machine.succeed("ls /var/backups/atcr-hold-2/hold-20*.db")
    machine.succeed("systemctl disable --now atcr-hold-2.socket atcr-hold-2.service")
    healthy()

APPVIEW = "atcr-appview.service"
REGISTRY_CONFIG = "/etc/atcr-appview/config.toml"
REGISTRY_SOCKET = "/run/atcr-appview.sock"


def challenged() -> None:
    """The registry answers, and says where tokens are."""
    head = machine.succeed(f"curl -s -D - -o /dev/null --unix-socket {REGISTRY_SOCKET} http://registry/v2/").lower()
    assert " 401 " in head.splitlines()[0] and 'bearer realm="https://registry.example.org/auth/token"' in head, head


with subtest("the registry's manual installs one beside the hold, which stays as it is"):
    machine.fail("systemctl cat atcr-appview.service")
    hold_process = shown("MainPID")
    machine.succeed("cd /root\n" + INSTALL_REGISTRY)
    machine.wait_for_unit(APPVIEW)
    challenged()
    assert shown("MainPID") == hold_process
    healthy()

with subtest("its socket is www-data's and root's, it is in the sandbox, and comes back with the machine"):
    assert machine.succeed(f"stat -c '%U:%G %a' {REGISTRY_SOCKET}").strip() == "root:www-data 660"
    machine.succeed(f"systemd-analyze security --threshold=11 {APPVIEW}")
    assert machine.succeed(f"stat -c %u /proc/{shown('MainPID', APPVIEW)}").strip() != "0"
    assert machine.succeed("stat -L -c %a /var/lib/atcr-appview").strip() == "700"
    machine.succeed("systemctl is-enabled atcr-appview.socket atcr-appview.service")

with subtest("its commands reach it, and its requests are in the journal"):
    assert "session" in machine.succeed(f"atcr-appview status --config {REGISTRY_CONFIG}").lower()
    found = entry(APPVIEW, PATH="/v2/", STATUS="401")
    expect_request(found, "atcr-appview")
    assert found["ERROR"] == "UNAUTHORIZED", found

with subtest("the manual's commands upgrade it: the socket and the database stay"):
    before = shown("MainPID", APPVIEW)
    since = shown("ActiveEnterTimestampMonotonic", "atcr-appview.socket")
    keys = machine.succeed("cat /var/lib/atcr-appview/keys/auth.key | sha256sum")
    machine.succeed("cd /root\n" + UPGRADE_REGISTRY)
    assert shown("MainPID", APPVIEW) != before
    assert shown("ActiveEnterTimestampMonotonic", "atcr-appview.socket") == since
    assert machine.succeed("cat /var/lib/atcr-appview/keys/auth.key | sha256sum") == keys
    challenged()

with subtest("a bad configuration of it is refused: by a reload that changes nothing, by a start with 78"):
    machine.succeed(f"cp {REGISTRY_CONFIG} /tmp/good; sed -i 's/^default_hold.*/default_hold = \"x\"/' {REGISTRY_CONFIG}")
    status, said = machine.execute(f"atcr-appview check-config --config {REGISTRY_CONFIG} 2>&1")
    assert status == 78 and "default_hold" in said, said
    machine.execute(f"systemctl reload {APPVIEW}")
    challenged()
    machine.execute(f"systemctl restart {APPVIEW}")
    assert shown("ExecMainStatus", APPVIEW) == "78" and shown("NRestarts", APPVIEW) == "0"
    machine.succeed(f"cp /tmp/good {REGISTRY_CONFIG}", f"systemctl reset-failed {APPVIEW} atcr-appview.socket")
    machine.succeed(f"systemctl start atcr-appview.socket {APPVIEW}")
    challenged()
    healthy()
