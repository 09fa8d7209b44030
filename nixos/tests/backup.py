PLACE = "/srv/backup/hold"
AGE = "atcr_hold_database_last_backup_timestamp_seconds"


def copies() -> list[str]:
    return sorted(machine.succeed(f"ls {PLACE} | grep db$ || true").split())


def age() -> float:
    """Of the last copy, in seconds, as the metrics have it; less than none before the first."""
    page = json.dumps(expect(curl("http://127.0.0.1:9464/metrics", None), 200))
    at = float(page.split(f"\\n{AGE} ")[1].split("\\n")[0])
    return float(machine.succeed("date +%s.%N")) - at if at else -1


begin()
machine.wait_for_unit("atcr-hold.service")
digest = make_layer("/tmp/layer", 100_000)
push(captain, "/tmp/layer", digest)

with subtest("the timer waits; nothing was copied yet"):
    machine.succeed("systemctl is-active atcr-hold-backup.timer")
    assert copies() == [] and age() < 0

with subtest("a copy is made while the hold runs, which the metrics say"):
    machine.succeed("systemctl start atcr-hold-backup.service")
    (first,) = copies()
    # What costs the disk a look is counted again after a hundred times as long as it took.
    machine.wait_until_succeeds(f"curl -s http://127.0.0.1:9464/metrics | grep -E '^{AGE} [1-9]'", timeout=60)
    assert first.startswith("hold-20") and 0 <= age() < 120, (first, age())
    healthy()

with subtest("root and the group may read it, nobody else, and no one of them the hold's directory"):
    assert machine.succeed(f"stat -c '%U:%G %a' {PLACE}/{first}").strip() == "root:archive 640"
    machine.succeed(f"test -e {PLACE}/keys/signing.key")
    machine.fail(f"setpriv --reuid=65534 --regid=65534 --clear-groups cat {PLACE}/{first} > /dev/null")

with subtest("the hold's files stay the hold's own, also of one that is stopped"):
    machine.succeed("systemctl stop atcr-hold.service; sleep 1", "systemctl start atcr-hold-backup.service")
    owner = "$(stat -L -c %u /var/lib/atcr-hold/hold.db)"
    strangers = f"find /var/lib/atcr-hold/ -name 'hold.db*' ! -name '*.backed-up' ! -uid {owner}"
    assert machine.succeed(strangers) == ""
    healthy()
    push(captain, "/tmp/layer", digest)

with subtest("of three copies the newest two stay"):
    machine.succeed("sleep 1; systemctl start atcr-hold-backup.service")
    assert len(copies()) == 2 and first not in copies(), copies()

with subtest("its sandbox keeps nearly all of root's power from it"):
    machine.succeed("systemd-analyze security --threshold=25 atcr-hold-backup.service")

RESTIC = "RESTIC_PASSWORD=test restic -q --no-cache -r /srv/restic"
STATE = "/var/lib/private/atcr-hold"

with subtest("restic takes away what was copied, and the blobs, and gives them back where the state is lost"):
    machine.succeed(f"{RESTIC} init 2>&1", f"{RESTIC} backup {PLACE} {STATE}/blobs 2>&1")
    newest = copies()[-1]
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", f"rm -r {STATE}/* {PLACE}/*")
    machine.succeed(f"{RESTIC} restore latest --target / 2>&1")
    machine.succeed(
        f"cp {PLACE}/{newest} {STATE}/hold.db; cp -r {PLACE}/keys {STATE}/",
        f"chmod 700 {STATE}/keys; chmod 600 {STATE}/keys/* {STATE}/hold.db",
        f"chown -R --reference={STATE}/. {STATE}/.",
        "systemctl start atcr-hold.socket",
    )
    pull(captain, digest)
    machine.succeed("atcr-hold repo verify 2>&1", "atcr-hold storage verify 2>&1")

base = machine.succeed("readlink -f /run/current-system").strip()
OPEN = "/var/lib/atcr-hold"


def owners() -> set[str]:
    """Whose the state is, but for the mark that root leaves with a copy."""
    return set(machine.succeed(f"find {OPEN}/ ! -name '*.backed-up' -printf '%u:%g\\n'").split())


with subtest("under a user that stays, what systemd's own users had is moved and handed over by itself"):
    machine.succeed("systemctl start atcr-hold.service", f"test -L {OPEN}")
    machine.succeed(f"{base}/specialisation/fixed/bin/switch-to-configuration test 2>&1")
    pull(captain, digest)
    machine.succeed(f"test -d {OPEN} -a ! -L {OPEN}", f"test ! -e {STATE}")
    assert owners() == {"atcr-hold:atcr-hold"}, owners()
    machine.succeed("atcr-hold repo verify 2>&1", "systemd-analyze security --threshold=11 atcr-hold.service")

with subtest("then the state may be a file system of its own, and is copied from there"):
    machine.succeed(
        "systemctl stop atcr-hold.socket atcr-hold.service",
        f"mv {OPEN} /srv/state; mkdir {OPEN}; mount -t tmpfs tmpfs {OPEN}; cp -a /srv/state/. {OPEN}",
        "systemctl start atcr-hold.socket atcr-hold.service",
    )
    pull(captain, digest)
    push(captain, "/tmp/layer", make_layer("/tmp/layer", 100_000))
    machine.succeed("systemctl start atcr-hold-backup.service")
    assert owners() == {"atcr-hold:atcr-hold"}, owners()

with subtest("with systemd's own users it cannot start there; without the mount it goes back to them"):
    machine.execute(f"{base}/bin/switch-to-configuration test 2>&1")
    machine.wait_until_succeeds("systemctl show --value -p ExecMainStatus atcr-hold.service | grep -qx 238")
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", f"umount {OPEN}; cp -a /srv/state/. {OPEN}")
    machine.succeed("systemctl reset-failed atcr-hold.service", "systemctl start atcr-hold.socket atcr-hold.service")
    pull(captain, digest)
    machine.succeed(f"test -L {OPEN}", f"test -e {STATE}/hold.db")

with subtest("without the directory it fails, and is seen to"):
    machine.succeed(f"mv {PLACE} {PLACE}.away")
    machine.fail("systemctl start atcr-hold-backup.service")
