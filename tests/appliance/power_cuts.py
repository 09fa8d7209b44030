"""Pulls the plug of an emulated machine while it is pushed to, again and again, and looks for what was acknowledged.

    power_cuts.py --binary PATH --machines RENDERED [--cuts N] [--unplugged N]

A cut makes every write to the disk under the hold's state fail from one moment on (dm-flakey), so that what was not on
the disk by then never gets there; then the file system is taken away with all that was only in memory, and recovered.
For the last ones the whole machine is killed and booted again. What was acknowledged is noted outside of the machine.
The last line counts the cuts: `appliance: N passed, N failed`.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import module
from emulated import Emulated

STATE = "/var/lib/private/atcr-hold"
# On the machine: `load.py` pushes until it is killed, noting each blob and record after its acknowledgement;
# `look.py` says which of those on its standard input are not there, and which blob has not its digest.
COMMON = r'''
import hashlib, http.client, json, os, random, socket, sys, threading

class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect("/run/atcr-hold.sock")

token = open("/run/token").read().strip()
DID = "did:web:hold.example.org"
CREW = "io.atcr.hold.crew"

def call(connection, method, path, body=None):
    headers = {"Authorization": "Bearer " + token}
    if isinstance(body, dict):
        body = json.dumps(body)
        headers["Content-Type"] = "application/json"
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    return answer.status, data

def local(url):
    return "/" + url.split("/", 3)[3]
'''
LOAD = COMMON + r'''
kept = open("/dev/hvc1", "w", buffering=1)
lock = threading.Lock()

def keep(line):
    with lock:
        kept.write(line + "\n")

def blob(connection):
    data = os.urandom(random.choice((1, 3_000, 70_000, 300_000)))
    xrpc = "/xrpc/io.atcr.hold."
    upload = json.loads(call(connection, "POST", xrpc + "initiateUpload", {"digest": "uploads/temp-1"})[1])["uploadId"]
    half = len(data) // 2
    parts = []
    for number, part in ((1, data[:half]), (2, data[half:])):
        given = call(connection, "POST", xrpc + "getPartUploadUrl", {"uploadId": upload, "partNumber": number})
        sent = call(connection, "PUT", local(json.loads(given[1])["url"]), part)
        parts.append({"partNumber": number, "etag": json.loads(sent[1])["etag"]})
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    done = call(connection, "POST", xrpc + "completeUpload", {"uploadId": upload, "digest": digest, "parts": parts})
    if done[0] == 200:
        keep("blob " + digest)

def record(connection):
    member = "did:plc:" + "".join(random.choices("abcdefghijklmnopqrstuvwxyz234567", k=24))
    value = {"$type": CREW, "member": member, "role": "mate", "permissions": ["blob:read"]}
    value["addedAt"] = "2026-01-01T00:00:00Z"
    body = {"repo": DID, "collection": CREW, "rkey": member, "record": value}
    if call(connection, "POST", "/xrpc/com.atproto.repo.createRecord", body)[0] == 200:
        keep("record " + member)

def repeat(work):
    connection = Unix("localhost")
    while True:
        try:
            work(connection)
        except (OSError, http.client.HTTPException, KeyError, ValueError):
            connection.close()

for work in (blob, blob, record):
    threading.Thread(target=repeat, args=(work,)).start()
'''
LOOK = COMMON + r'''
connection = Unix("localhost")
wanted = [line.split() for line in sys.stdin]
members, cursor = set(), ""
while True:
    path = f"/xrpc/com.atproto.repo.listRecords?repo={DID}&collection={CREW}&limit=100" + cursor
    page = json.loads(call(connection, "GET", path)[1])
    members |= {record["value"]["member"] for record in page["records"]}
    if not page.get("cursor"):
        break
    cursor = "&cursor=" + page["cursor"]
lost = [name for kind, name in wanted if kind == "record" and name not in members]
files = {}
for folder, _, names in os.walk("/var/lib/atcr-hold/blobs/docker/registry/v2/blobs"):
    for name in names:
        path = os.path.join(folder, name)
        files["sha256:" + os.path.basename(folder)] = "sha256:" + hashlib.sha256(open(path, "rb").read()).hexdigest()
torn = [digest for digest, found in files.items() if digest != found]
lost += [name for kind, name in wanted if kind == "blob" and name not in files]
# The newest, and some of the others, by the way a client takes.
blobs = [name for kind, name in wanted if kind == "blob"]
for digest in blobs[-20:] + random.sample(blobs, min(10, len(blobs))):
    status, data = call(connection, "GET", f"/xrpc/com.atproto.sync.getBlob?did={DID}&cid={digest}")
    if status != 200:
        lost.append(digest)
        continue
    data = call(connection, "GET", local(json.loads(data)["url"]))[1]
    if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
        torn.append(digest)
print(json.dumps({"lost": sorted(set(lost)), "torn": sorted(set(torn)), "blobs": len(blobs), "records": len(wanted) - len(blobs)}))
'''


class Cuts:
    """The machine with the hold's state on its second disk."""

    def __init__(self, machine: Emulated) -> None:
        self.machine = machine
        self.scope: dict[str, object] = {"machine": machine, "__name__": "test"}
        exec((module.TESTS / "common" / "script.py").read_text(), self.scope)  # noqa: S102

    def prepare(self, first: bool) -> None:
        """Mounts the second disk where the state goes, and starts the hold on it."""
        run = self.machine.succeed
        run("systemctl stop atcr-hold.socket atcr-hold.service", "modprobe -a virtio_blk dm-flakey", f"mkdir -p {STATE}")
        run('dmsetup create --noudevsync data --table "0 $(blockdev --getsz /dev/vda) linear /dev/vda 0"')
        if first:
            run("mkfs.ext4 -q /dev/dm-0")
            for name, program in (("load", LOAD), ("look", LOOK)):
                (self.machine.directory / f"{name}.py").write_text(program)
                self.machine.copy_from_host(str(self.machine.directory / f"{name}.py"), f"/root/{name}.py")
        self.start()

    def start(self) -> None:
        self.machine.succeed(
            f"mount /dev/dm-0 {STATE}",
            "systemctl reset-failed atcr-hold.service atcr-hold.socket || true",
            "systemctl start atcr-hold.socket atcr-hold.service",
        )

    def give_token(self) -> None:
        token = eval("captain.token(exp=int(machine.succeed('date +%s')) + 3500)", self.scope)  # noqa: S307
        self.machine.succeed(f"echo '{token}' > /run/token")

    def push(self, seconds: float) -> None:
        before = len(self.blobs())
        self.give_token()
        self.machine.succeed(
            "systemctl reset-failed load.service 2> /dev/null || true",
            "systemd-run --quiet --unit=load python3 /root/load.py",
        )
        deadline = time.monotonic() + 120
        while len(self.blobs()) < before + 3:
            if time.monotonic() > deadline:
                raise AssertionError("nothing is acknowledged")
            time.sleep(0.1)
        time.sleep(seconds)

    def acknowledged(self) -> list[str]:
        # The last line may be half a line.
        text = self.machine.kept.read_text().replace("\r", "")
        return text[: text.rfind("\n") + 1].split("\n")[:-1]

    def blobs(self) -> list[str]:
        return [line for line in self.acknowledged() if line.startswith("blob ")]

    def cut(self) -> None:
        run = self.machine.succeed
        run(self.table("flakey /dev/vda 0 0 3600 1 error_writes"))
        run("systemctl stop load.service", "systemctl kill -s KILL atcr-hold.service || true")
        run("systemctl stop atcr-hold.socket atcr-hold.service || true")
        self.machine.wait_until_succeeds(f"umount {STATE}", timeout=60)
        run(self.table("linear /dev/vda 0"))
        self.start()

    def table(self, target: str) -> str:
        size = "$(blockdev --getsz /dev/vda)"
        load = f'dmsetup load data --table "0 {size} {target}"'
        return f"{load}; dmsetup suspend --noflush --nolockfs data; dmsetup resume data"

    def unplug(self) -> None:
        self.machine.crash()
        self.machine.start()
        self.prepare(first=False)

    def look(self) -> dict[str, Any]:
        listed = self.machine.directory / "acknowledged"
        listed.write_text("".join(line + "\n" for line in self.acknowledged()))
        self.machine.copy_from_host(str(listed), "/run/acknowledged")
        self.give_token()
        found: dict[str, Any] = json.loads(self.machine.succeed("python3 /root/look.py < /run/acknowledged", timeout=300))
        return found


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--binary", type=Path, required=True)
    options.add_argument("--machines", type=Path, required=True)
    options.add_argument("--cuts", type=int, default=20)
    options.add_argument("--unplugged", type=int, default=1)
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    machine = Emulated(f"cuts-{os.getpid()}", module.files(given.machines, "uploads", given.binary))
    try:
        cuts = Cuts(machine)
        eval("begin()", cuts.scope)  # noqa: S307
        print(f"power cuts, on a machine that is emulated (boot {machine.boot_s:.1f} s):", flush=True)
        cuts.prepare(first=True)
        kinds = [cuts.cut] * given.cuts + [cuts.unplug] * given.unplugged
        for number, kind in enumerate(kinds, 1):
            began = time.monotonic()
            cuts.push(random.uniform(0, 2))
            kind()
            found = cuts.look()
            good = not found["lost"] and not found["torn"]
            passed, failed = passed + good, failed + (not good)
            print(
                f"  {'ok     ' if good else 'FAILED '} {kind.__name__} {number}: {found['blobs']} blobs and "
                f"{found['records']} records acknowledged, lost {len(found['lost'])}, torn {len(found['torn'])} "
                f"({time.monotonic() - began:.1f} s)",
                flush=True,
            )
    except Exception:
        failed += 1
        traceback.print_exc()
        print((machine.directory / "console").read_text(errors="replace")[-3000:], file=sys.stderr)
        with contextlib.suppress(Exception):
            print(machine.execute("journalctl -b --no-pager -n 60", timeout=60)[1], file=sys.stderr)
    finally:
        machine.close()
    print(f"appliance: {passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
